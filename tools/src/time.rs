//! Points in time on the command line and in output.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Wall-clock milliseconds since 1970.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a command-line tool: its clock is the real one")]
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Reads `2026-11-21T14:00:00Z`, `2026-11-21T14:00:00.5+08:00`, `2026-11-21` (both UTC without an offset),
/// milliseconds since 1970, or an age such as `15m` before `now_ms`.
#[must_use]
pub(crate) fn parse(text: &str, now_ms: i64) -> Option<i64> {
    let text = text.trim();
    if let Some(age) = span_ms(text) {
        return Some(now_ms.saturating_sub(age));
    }
    if text.len() > 8 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    iso(text)
}

/// Reads a span such as `500ms`, `5s`, `10m`, `2h`, `7d`.
#[must_use]
pub(crate) fn span_ms(text: &str) -> Option<i64> {
    let split = text.find(|c: char| !c.is_ascii_digit()).filter(|at| *at > 0)?;
    let unit = match &text[split..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    text[..split].parse::<i64>().ok()?.checked_mul(unit)
}

fn iso(text: &str) -> Option<i64> {
    let (date, clock) = text.split_once(['T', ' ']).unwrap_or((text, "00:00:00"));
    let mut parts = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || !(1970..=9999).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    if !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    let (clock, offset_minutes) = offset(clock)?;
    let mut parts = clock.split(':');
    let (hour, minute) = (parts.next()?.parse::<i64>().ok()?, parts.next()?.parse::<i64>().ok()?);
    let seconds = parts.next().unwrap_or("0").parse::<f64>().ok()?;
    if parts.next().is_some()
        || !(0..24).contains(&hour)
        || !(0..60).contains(&minute)
        || !(0.0..61.0).contains(&seconds)
    {
        return None;
    }
    let minutes = (days_from_epoch(year, month, day) * 24 + hour) * 60 + minute - offset_minutes;
    #[expect(clippy::cast_possible_truncation, reason = "at most 61,000")]
    Some(minutes * 60_000 + (seconds * 1000.0).round() as i64)
}

/// The clock without its `Z` or `+hh:mm`, and the offset in minutes.
fn offset(clock: &str) -> Option<(&str, i64)> {
    if let Some(utc) = clock.strip_suffix(['Z', 'z']) {
        return Some((utc, 0));
    }
    let Some(at) = clock.rfind(['+', '-']) else { return Some((clock, 0)) };
    let sign = if clock[at..].starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = clock[at + 1..].split_once(':')?;
    let (hours, minutes) = (hours.parse::<i64>().ok()?, minutes.parse::<i64>().ok()?);
    ((0..=14).contains(&hours) && (0..60).contains(&minutes))
        .then_some((&clock[..at], sign * (hours * 60 + minutes)))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar.
fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let years: i64 = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    let months: i64 = (1..month).map(|month| days_in_month(year, month)).sum();
    years + months + day - 1
}

/// `2026-11-21T14:00:00.123Z`. What is before 1970 is shown as 1970.
#[must_use]
pub(crate) fn show(unix_ms: i64) -> String {
    let ms = unix_ms.max(0);
    let (mut days, in_day) = (ms / 86_400_000, ms % 86_400_000);
    let mut year = 1970;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length || year == 9999 {
            break;
        }
        days -= length;
        year += 1;
    }
    let mut month = 1;
    while month < 12 && days >= days_in_month(year, month) {
        days -= days_in_month(year, month);
        month += 1;
    }
    let (hour, minute, second) = (in_day / 3_600_000, in_day / 60_000 % 60, in_day / 1_000 % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", days + 1, in_day % 1_000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_spelling_of_a_time_is_read() {
        let now = 1_800_000_000_000;
        assert_eq!(parse("2026-11-21T14:00:00Z", now), Some(1_795_269_600_000));
        assert_eq!(parse("2026-11-21 14:00:00", now), Some(1_795_269_600_000));
        assert_eq!(parse("2026-11-21T22:00:00.5+08:00", now), Some(1_795_269_600_500));
        assert_eq!(parse("2024-02-29", now), Some(1_709_164_800_000));
        assert_eq!(parse("1795269600000", now), Some(1_795_269_600_000));
        assert_eq!(parse("15m", now), Some(now - 900_000));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-02-29",
            "2026-13-01",
            "2026-11-21T25:00",
            "12",
            "m",
            "2026-11-21T10:00+99:00",
        ] {
            assert_eq!(parse(text, 0), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_time_reads_back_what_it_shows(ms in 0i64..253_402_300_799_999) {
            prop_assert_eq!(parse(&show(ms), 0), Some(ms));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[0-9TZ:+.\u{6587}ms -]{0,30}") {
            let _ = parse(&text, 0);
        }
    }
}
