//! Which media type a client wants most (RFC 9110 12.5.1).

use super::Headers;
use super::headers::trim;

/// The index of the type among `offers` (`text/plain`, …) that the field Accept wants most: the one with the
/// highest weight; among those the one that is named most exactly, so that `text/event-stream, */*` gets
/// the stream; among those the first. Without the field it is the first one. `None`: none of them is wanted
/// (406). What is malformed in the field is passed over.
///
/// Costs the length of the field times the number of offers.
#[must_use]
pub fn best_offer(headers: Headers<'_>, offers: &[&str]) -> Option<usize> {
    if headers.first("accept").is_none_or(<[u8]>::is_empty) {
        return (!offers.is_empty()).then_some(0);
    }
    let mut best: Option<(usize, Wish)> = None;
    for (index, offer) in offers.iter().enumerate() {
        let Some(wish) = wish_for(headers, offer) else { continue };
        if wish.weight > 0
            && best.is_none_or(|(_, found)| (wish.weight, wish.exactness) > (found.weight, found.exactness))
        {
            best = Some((index, wish));
        }
    }
    best.map(|(index, _)| index)
}

/// How much a type is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wish {
    exactness: Exactness,
    /// In thousandths; 0: not at all.
    weight: u16,
}

/// How exactly a range names a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Exactness {
    /// `*/*`
    Any,
    /// `text/*`
    Kind,
    /// `text/plain`
    Exact,
}

/// What the most exact range that fits says.
fn wish_for(headers: Headers<'_>, offer: &str) -> Option<Wish> {
    let wishes = headers.elements("accept").filter_map(|range| wish(range, offer.as_bytes()));
    wishes.reduce(|found, wish| if wish.exactness > found.exactness { wish } else { found })
}

/// What one range says about `offer`. Its parameters but `q` narrow it down in ways that no type here has,
/// and are passed over.
fn wish(range: &[u8], offer: &[u8]) -> Option<Wish> {
    let mut parts = range.split(|byte| *byte == b';').map(trim);
    let exactness = exactness(parts.next()?, offer)?;
    let weight = parts.find_map(|part| match part {
        [b'q' | b'Q', b'=', weight @ ..] => Some(parse_weight(weight)),
        _ => None,
    });
    Some(Wish { exactness, weight: weight.unwrap_or(Some(WEIGHT_MAX))? })
}

fn exactness(range: &[u8], offer: &[u8]) -> Option<Exactness> {
    if range == b"*/*" {
        return Some(Exactness::Any);
    }
    if range.eq_ignore_ascii_case(offer) {
        return Some(Exactness::Exact);
    }
    let kind = range.strip_suffix(b"*")?;
    let begins = offer.get(..kind.len())?.eq_ignore_ascii_case(kind);
    (begins && kind.ends_with(b"/")).then_some(Exactness::Kind)
}

/// `0`, `1`, or one of these with up to three digits behind a point (RFC 9110 12.4.2).
fn parse_weight(text: &[u8]) -> Option<u16> {
    let (whole, rest) = text.split_first()?;
    let digits = if rest.is_empty() { rest } else { rest.strip_prefix(b".")? };
    if !matches!(whole, b'0' | b'1') || digits.len() > 3 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let padded = digits.iter().chain(b"000").take(3);
    let weight = padded.fold(u16::from(whole - b'0'), |value, digit| value * 10 + u16::from(digit - b'0'));
    (weight <= WEIGHT_MAX).then_some(weight)
}

const WEIGHT_MAX: u16 = 1000;
