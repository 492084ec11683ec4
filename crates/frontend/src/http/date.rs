//! When an answer is given, as its `date` says it.

use std::time::{Duration, SystemTime};

use broker::WallTime;

/// The field's value (RFC 9110, 6.6.1), made once a second.
#[derive(Debug, Default)]
pub(crate) struct Date {
    second: u64,
    text: String,
}

impl Date {
    pub(crate) fn at(&mut self, now: WallTime) -> &str {
        let second = (now.0 / 1000).min(LAST_SECOND);
        if second != self.second || self.text.is_empty() {
            self.text = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(second));
            self.second = second;
        }
        &self.text
    }
}

/// The year has four digits.
const LAST_SECOND: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_second() {
        let mut date = Date::default();
        let mut at = |millis| date.at(WallTime(millis)).to_owned();
        assert_eq!(at(784_111_777_999), "Sun, 06 Nov 1994 08:49:37 GMT", "the example of RFC 9110, 5.6.7");
        assert_eq!(at(784_111_778_000), "Sun, 06 Nov 1994 08:49:38 GMT");
        assert_eq!(at(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT", "a clock may be set back");
        assert_eq!(at(u64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
