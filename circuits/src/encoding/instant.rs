//! Seconds of Coordinated Universal Time, from year 1 to year 9999.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Date;
use super::date::{self, two_digits};

const SECONDS_PER_DAY: i64 = 86_400;
/// 1970-01-01 as a [`Date::day`].
const UNIX_EPOCH_DAY: i64 = date::UNIX_EPOCH_DAY as i64;

/// A text that is not an instant.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a second of the years 1 to 9999 in UTC, written YYYY-MM-DDTHH:MM:SSZ")]
pub struct InstantError;

/// A second, spelled `YYYY-MM-DDTHH:MM:SSZ` (RFC 3339 in UTC) and in no other way.
///
/// There are no fractions and, as in Unix time, no leap seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Instant(i64);

impl Instant {
    /// 0001-01-01T00:00:00Z.
    pub const MIN: Self = Self(-UNIX_EPOCH_DAY * SECONDS_PER_DAY);
    /// 9999-12-31T23:59:59Z.
    pub const MAX: Self = Self(253_402_300_799);

    /// `seconds` since 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// [`InstantError`] if that is not in the years 1 to 9999.
    pub fn from_seconds(seconds: i64) -> Result<Self, InstantError> {
        if (Self::MIN.0..=Self::MAX.0).contains(&seconds) {
            Ok(Self(seconds))
        } else {
            Err(InstantError)
        }
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub fn seconds(self) -> i64 {
        self.0
    }
}

impl FromStr for Instant {
    type Err = InstantError;

    fn from_str(text: &str) -> Result<Self, InstantError> {
        let (date, time) = text.split_once('T').ok_or(InstantError)?;
        let date: Date = date.parse().map_err(|_| InstantError)?;
        let [h0, h1, b':', m0, m1, b':', s0, s1, b'Z'] = *time.as_bytes() else {
            return Err(InstantError);
        };
        let part = |tens, units, limit| match two_digits(tens, units) {
            Ok(number) if number < limit => Ok(i64::from(number)),
            _ => Err(InstantError),
        };
        let (hour, minute, second) = (part(h0, h1, 24)?, part(m0, m1, 60)?, part(s0, s1, 60)?);
        let days = i64::from(date.day()) - UNIX_EPOCH_DAY;
        Ok(Self(days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = self.0.div_euclid(SECONDS_PER_DAY) + UNIX_EPOCH_DAY;
        let day = u32::try_from(day).expect("an instant is in the years 1 to 9999");
        let date = Date::from_day(day).expect("an instant is in the years 1 to 9999");
        let second = self.0.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{date}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

impl TryFrom<String> for Instant {
    type Error = InstantError;

    fn try_from(text: String) -> Result<Self, InstantError> {
        text.parse()
    }
}

impl From<Instant> for String {
    fn from(instant: Instant) -> Self {
        instant.to_string()
    }
}
