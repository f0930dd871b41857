//! How is a moment text, as RFC 3339 has it?

use std::time::{Duration, SystemTime};

use super::moment::{at, since_epoch};

const DAY: i64 = 86_400;

/// `2026-11-21T19:00:00.000001Z`; none for a year that does not have four digits.
pub(super) fn write(time: SystemTime) -> Option<String> {
    let micros = since_epoch(time, Duration::as_micros);
    let (seconds, fraction) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let (year, month, day) = date(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    (0..=9999).contains(&year).then(|| {
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:06}Z")
    })
}

/// Any moment that RFC 3339 allows, to the microsecond. A leap second is the second after it.
pub(super) fn read(text: &str) -> Option<SystemTime> {
    let bytes = text.as_bytes();
    let (head, rest) = bytes.split_at_checked(19)?;
    let marks = [head[4], head[7], head[13], head[16]];
    if marks != *b"--::" || !matches!(head[10], b'T' | b't' | b' ') {
        return None;
    }
    let year = number(&head[..4])?;
    let month = number(&head[5..7]).filter(|month| (1..=12).contains(month))?;
    let last = days(month, year);
    let day = number(&head[8..10]).filter(|day| (1..=last).contains(day))?;
    let hour = number(&head[11..13]).filter(|hour| *hour < 24)?;
    let minute = number(&head[14..16]).filter(|minute| *minute < 60)?;
    let second = number(&head[17..]).filter(|second| *second <= 60)?;
    let (micros, rest) = fraction(rest)?;
    let seconds = day_number(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
    at(
        (seconds - offset(rest)?) * 1_000_000 + micros,
        Duration::from_micros,
    )
}

/// The microseconds that come next, and what is left after them.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(text) = text.strip_prefix(b".") else {
        return Some((0, text));
    };
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(digits);
    if digits.is_empty() {
        return None;
    }
    let micros = (0..6).fold(0, |micros, at| {
        micros * 10 + digits.get(at).map_or(0, |digit| i64::from(digit - b'0'))
    });
    Some((micros, rest))
}

/// How far local time is ahead of UTC, in seconds.
fn offset(text: &[u8]) -> Option<i64> {
    match text {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), hours @ .., b':', tens, ones] => {
            let hours = number(hours).filter(|hours| *hours < 24)?;
            let minutes = number(&[*tens, *ones]).filter(|minutes| *minutes < 60)?;
            let ahead = hours * 3600 + minutes * 60;
            Some(if *sign == b'+' { ahead } else { -ahead })
        }
        _ => None,
    }
}

/// Two digits, or four.
fn number(digits: &[u8]) -> Option<i64> {
    let right = matches!(digits.len(), 2 | 4) && digits.iter().all(u8::is_ascii_digit);
    right.then(|| {
        digits
            .iter()
            .fold(0, |number, digit| number * 10 + i64::from(digit - b'0'))
    })
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days(month: i64, year: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The number of a day, of which 1970-01-01 is 0, in the Gregorian calendar. The year is taken to
/// begin in March, so that the day that some years have more is their last.
fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + (153 * month + 2) / 5 + day - 719_469
}

/// The year, month and day of a number that [`day_number`] gives.
fn date(number: i64) -> (i64, i64, i64) {
    // Never later than the right one, and at most a year too early.
    let mut year = (number * 400).div_euclid(146_097) + 1969;
    while day_number(year + 1, 1, 1) <= number {
        year += 1;
    }
    let mut month = 1;
    while month < 12 && day_number(year, month + 1, 1) <= number {
        month += 1;
    }
    (year, month, number - day_number(year, month, 1) + 1)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_moments() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00.000000Z", 0),
            ("2000-02-29T12:34:56.000000Z", 951_827_696),
            ("1900-03-01T00:00:00.000000Z", -2_203_891_200),
            ("9999-12-31T23:59:59.000000Z", 253_402_300_799),
            ("0000-01-01T00:00:00.000000Z", -62_167_219_200),
        ] {
            let time = at(seconds, Duration::from_secs).expect("in range");
            assert_eq!(write(time).as_deref(), Some(text));
            assert_eq!(read(text), Some(time), "{text}");
        }
        let end = at(253_402_300_800, Duration::from_secs).expect("in range");
        assert_eq!(write(end), None, "the year 10000");
    }

    #[test]
    fn what_is_read_and_what_is_not() {
        let second = |micros| Some(UNIX_EPOCH + Duration::from_micros(micros));
        for (text, time) in [
            ("1970-01-01T00:00:01Z", second(1_000_000)),
            ("1970-01-01t00:00:01.5z", second(1_500_000)),
            ("1970-01-01 00:00:01.000001999Z", second(1_000_001)),
            ("1970-01-01T01:00:01+01:00", second(1_000_000)),
            ("1969-12-31T19:00:01-05:00", second(1_000_000)),
            ("1972-06-30T23:59:60Z", second(78_796_800_000_000)),
            ("1970-01-01T00:00:01", None),
            ("1970-01-01T00:00:01.Z", None),
            ("1970-01-01T00:00:01+0100", None),
            ("1970-01-01T00:00:01+24:00", None),
            ("1970-01-01T24:00:00Z", None),
            ("1970-13-01T00:00:00Z", None),
            ("1970-02-29T00:00:00Z", None),
            ("1900-02-29T00:00:00Z", None),
            ("1970-01-00T00:00:00Z", None),
            ("+970-01-01T00:00:00Z", None),
            ("1970-01-01T00:00:00Z ", None),
            ("197\u{b2}-01-01T00:00:00Z", None),
            ("", None),
        ] {
            assert_eq!(read(text), time, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(micros in -62_167_219_200_000_000..253_402_300_800_000_000_i64) {
            let time = at(micros, Duration::from_micros).expect("in range");
            prop_assert_eq!(read(&write(time).expect("four digits")), Some(time));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}|[0-9:TZ.+-]{15,40}") {
            let _ = read(&text);
        }
    }
}
