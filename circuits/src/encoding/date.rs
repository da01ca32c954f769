//! Days of the proleptic Gregorian calendar, from year 1 to year 9999.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, civil};
use serde::{Deserialize, Serialize};
use thiserror::Error;

const HOURS_PER_DAY: i64 = 24;
const SECONDS_PER_DAY: u64 = 86_400;
const DAY_ZERO: civil::Date = civil::Date::constant(1, 1, 1);
const UNIX_EPOCH: civil::Date = civil::Date::constant(1970, 1, 1);
/// 1970-01-01 as a [`Date::day`].
pub(super) const UNIX_EPOCH_DAY: u32 = 719_162;

/// A text that is not a day.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a day of the calendar from 0001-01-01 to 9999-12-31, written YYYY-MM-DD")]
pub struct DateError;

/// A day, spelled `YYYY-MM-DD` and in no other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Date(civil::Date);

impl Date {
    /// 0001-01-01, day 0.
    pub const MIN: Self = Self(DAY_ZERO);
    /// 9999-12-31.
    pub const MAX: Self = Self(civil::Date::constant(9999, 12, 31));

    /// The day `year-month-day`.
    ///
    /// # Errors
    /// [`DateError`] if the calendar has no such day, or the year is not 1 to 9999.
    pub fn new(year: i16, month: i8, day: i8) -> Result<Self, DateError> {
        let date = civil::Date::new(year, month, day).map_err(|_| DateError)?;
        if date < DAY_ZERO { Err(DateError) } else { Ok(Self(date)) }
    }

    /// The day `day` days after 0001-01-01.
    ///
    /// # Errors
    /// [`DateError`] if that is past [`Date::MAX`].
    pub fn from_day(day: u32) -> Result<Self, DateError> {
        // From 1970, because jiff adds no more days than lie between 1970 and 9999.
        let days = i64::from(day) - i64::from(UNIX_EPOCH_DAY);
        let duration = SignedDuration::from_hours(HOURS_PER_DAY * days);
        UNIX_EPOCH.checked_add(duration).map(Self).map_err(|_| DateError)
    }

    /// The day in UTC on which a Unix second falls; [`Date::MAX`] for seconds past the calendar.
    pub fn from_unix_seconds(seconds: u64) -> Self {
        u32::try_from(seconds / SECONDS_PER_DAY)
            .ok()
            .and_then(|days| days.checked_add(UNIX_EPOCH_DAY))
            .and_then(|day| Self::from_day(day).ok())
            .unwrap_or(Self::MAX)
    }

    /// Days since 0001-01-01.
    pub fn day(self) -> u32 {
        let days = self.0.duration_since(DAY_ZERO).as_hours() / HOURS_PER_DAY;
        u32::try_from(days).expect("years 1 to 9999 have 0 to 3,652,058 days before them")
    }

    /// Year, 1 to 9999.
    pub fn year(self) -> i16 {
        self.0.year()
    }

    /// Month, 1 to 12.
    pub fn month(self) -> i8 {
        self.0.month()
    }

    /// Day of the month, 1 to 31.
    pub fn day_of_month(self) -> i8 {
        self.0.day()
    }
}

impl FromStr for Date {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = *text.as_bytes() else {
            return Err(DateError);
        };
        let year = i16::from(two_digits(y0, y1)?) * 100 + i16::from(two_digits(y2, y3)?);
        Self::new(year, two_digits(m0, m1)?, two_digits(d0, d1)?)
    }
}

/// Two ASCII digits as a number.
pub(super) fn two_digits(tens: u8, units: u8) -> Result<i8, DateError> {
    let digit = |byte: u8| {
        if byte.is_ascii_digit() { Ok((byte - b'0').cast_signed()) } else { Err(DateError) }
    };
    Ok(digit(tens)? * 10 + digit(units)?)
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year(), self.month(), self.day_of_month())
    }
}

impl TryFrom<String> for Date {
    type Error = DateError;

    fn try_from(text: String) -> Result<Self, DateError> {
        text.parse()
    }
}

impl From<Date> for String {
    fn from(date: Date) -> Self {
        date.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unix_second_falls_on_its_day_in_utc() {
        for (seconds, day) in [
            (0, "1970-01-01"),
            (86_399, "1970-01-01"),
            (86_400, "1970-01-02"),
            (1_735_646_399, "2024-12-31"),
            (1_735_689_599, "2024-12-31"),
            (1_735_689_600, "2025-01-01"),
            (253_402_300_799, "9999-12-31"),
            (253_402_300_800, "9999-12-31"),
            (u64::MAX, "9999-12-31"),
        ] {
            assert_eq!(Date::from_unix_seconds(seconds).to_string(), day, "{seconds}");
        }
    }
}
