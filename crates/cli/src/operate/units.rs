//! Numbers in few columns.

/// A size as the configuration says it: powers of 1024.
pub(super) fn bytes(count: u64) -> String {
    match count {
        0..1024 => format!("{count}B"),
        _ => scaled(count as f64, 1024.0, ["K", "M", "G", "T"]),
    }
}

/// A number of things, exact as long as it is short.
pub(super) fn count(count: f64) -> String {
    match count {
        0.0..99.95 if count.fract() != 0.0 => format!("{count:.1}"),
        ..99_999.5 => format!("{count:.0}"),
        _ => scaled(count, 1000.0, ["k", "M", "G", "T"]),
    }
}

/// At most five columns with three digits that count.
fn scaled(count: f64, step: f64, units: [&str; 4]) -> String {
    let mut value = count;
    let mut unit = "";
    for next in units {
        // What would be rounded up to a thousand is of the next unit.
        if value < 999.5 {
            break;
        }
        value /= step;
        unit = next;
    }
    match value {
        ..9.995 => format!("{value:.2}{unit}"),
        ..99.95 => format!("{value:.1}{unit}"),
        _ => format!("{value:.0}{unit}"),
    }
}

/// How long, in its two largest units.
pub(super) fn time(seconds: f64) -> String {
    // A float beyond the integers becomes the largest one.
    let seconds = seconds as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m{:02}s", seconds % 60),
        3600..86_400 => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

/// A number with a thing that is counted.
pub(super) fn things(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A number for people, with its thousands apart.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_five_columns_at_most() {
        for (count, shown) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (1_048_575, "1.00M"),
            (1_000_000, "977K"),
            (99 << 20, "99.0M"),
            (1 << 30, "1.00G"),
            (u64::MAX, "16777216T"),
        ] {
            assert_eq!(bytes(count), shown);
        }
    }

    #[test]
    fn counts_are_exact_while_they_are_short() {
        for (number, shown) in [
            (0.0, "0"),
            (0.44, "0.4"),
            (99.97, "100"),
            (12_345.0, "12345"),
            (99_999.6, "100k"),
            (1_234_567.0, "1.23M"),
            (999_600.0, "1.00M"),
        ] {
            assert_eq!(count(number), shown);
        }
    }

    #[test]
    fn times_have_two_units() {
        for (seconds, shown) in
            [(0.9, "0s"), (59.0, "59s"), (61.0, "1m01s"), (7_260.0, "2h01m"), (90_000.0, "1d01h")]
        {
            assert_eq!(time(seconds), shown);
        }
    }

    #[test]
    fn thousands_stand_apart() {
        for (number, shown) in [(0, "0"), (999, "999"), (1000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(grouped(number), shown);
        }
    }
}
