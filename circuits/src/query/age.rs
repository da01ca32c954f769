//! Age as a condition on the date of birth.
//!
//! Whoever is born on the day B completes n years on the day with B's month and day, n years later;
//! for 29 February in a year without one, on 1 March. So on the day D, `age ≥ n` is `B ≤ c(n)`,
//! where `c(n)` is the day with D's month and day, n years earlier, or 28 February where D is a
//! 29 February that the earlier year has not.

use serde_json::Value as Json;

use super::{Clause, ClauseError, Operator, parse};
use crate::{
    encoding::{Date, Value},
    schema::{FieldType, Schema},
};

/// The largest age that can be asked about.
pub const MAX_AGE: i16 = 150;

/// `{"path":["age"], "predicate": {operator: operand}}` on the day `as_of`, as a clause on
/// `birth_date`.
///
/// | age | birth date |
/// | --- | --- |
/// | ≥ n | ≤ c(n) |
/// | > n | ≤ c(n + 1) |
/// | < n | > c(n) |
/// | ≤ n | > c(n + 1) |
/// | in \[a, b\] | in \[c(b + 1) + 1 day, c(a)\] |
/// | not in \[a, b\] | not in \[c(b + 1) + 1 day, c(a)\] |
pub(super) fn clause(
    schema: &Schema,
    as_of: Date,
    operator: Operator,
    operand: &Json,
) -> Result<Clause, ClauseError> {
    let field = match schema.field("birth_date") {
        Some((position, field)) if matches!(field.kind(), FieldType::Date { .. }) => position,
        _ => return Err(ClauseError::NoBirthDate),
    };
    let age = |json| age(json).ok_or(ClauseError::Age);
    let cutoff = |years| cutoff(as_of, years).map(Value::Date).ok_or(ClauseError::Age);
    let (operator, operands) = match operator {
        Operator::GreaterOrEqual => (Operator::LessOrEqual, vec![cutoff(age(operand)?)?]),
        Operator::Greater => (Operator::LessOrEqual, vec![cutoff(age(operand)? + 1)?]),
        Operator::Less => (Operator::Greater, vec![cutoff(age(operand)?)?]),
        Operator::LessOrEqual => (Operator::Greater, vec![cutoff(age(operand)? + 1)?]),
        Operator::Between | Operator::NotBetween => {
            let [low, high] = parse::pair(operand)?;
            let (low, high) = (age(low)?, age(high)?);
            if low > high {
                return Err(ClauseError::Reversed);
            }
            let too_old = self::cutoff(as_of, high + 1).ok_or(ClauseError::Age)?;
            let oldest = Date::from_day(too_old.day() + 1).expect("as_of is after it");
            (operator, vec![Value::Date(oldest), cutoff(low)?])
        }
        _ => return Err(ClauseError::AgeOperator),
    };
    Ok(Clause { field, operator, operands })
}

/// Whole years, 0 to [`MAX_AGE`].
fn age(json: &Json) -> Option<i16> {
    let years = i16::try_from(json.as_i64()?).ok()?;
    (0..=MAX_AGE).contains(&years).then_some(years)
}

/// `c(years)`: the last day of birth with which `years` are completed on the day `as_of`.
fn cutoff(as_of: Date, years: i16) -> Option<Date> {
    let year = as_of.year() - years;
    Date::new(year, as_of.month(), as_of.day_of_month()).or_else(|_| Date::new(year, 2, 28)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    /// Completed years by the rule itself: count birthdays.
    fn completed(born: Date, on: Date) -> i16 {
        let birthday = |years: i16| {
            let year = born.year() + years;
            Date::new(year, born.month(), born.day_of_month())
                .unwrap_or_else(|_| Date::new(year, 3, 1).unwrap())
        };
        (0..)
            .take_while(|years| birthday(years + 1) <= on)
            .last()
            .map_or(if birthday(1) <= on { 1 } else { 0 }, |years| years + 1)
    }

    #[test]
    fn birthdays_of_29_february_are_on_1_march_in_other_years() {
        let leapling = date("2004-02-29");
        assert_eq!(completed(leapling, date("2022-02-28")), 17);
        assert_eq!(completed(leapling, date("2022-03-01")), 18);
        assert!(leapling > cutoff(date("2022-02-28"), 18).unwrap());
        assert!(leapling <= cutoff(date("2022-03-01"), 18).unwrap());
        // In a leap year the day itself counts.
        assert!(leapling > cutoff(date("2024-02-28"), 20).unwrap());
        assert!(leapling <= cutoff(date("2024-02-29"), 20).unwrap());
        // Asked on 29 February: born on 28 February is of age, born on 1 March is not yet.
        assert_eq!(cutoff(date("2024-02-29"), 18), Some(date("2006-02-28")));
    }

    #[test]
    fn the_cutoff_agrees_with_counting_birthdays() {
        let days: Vec<Date> =
            ["2019-12-31", "2020-02-27", "2020-12-30", "2023-02-26", "2024-02-27"]
                .iter()
                .flat_map(|first| (0..5).map(|i| Date::from_day(date(first).day() + i).unwrap()))
                .collect();
        let births: Vec<Date> = ["2000-02-27", "2001-02-26", "2003-12-30", "1999-02-27"]
            .iter()
            .flat_map(|first| (0..5).map(|i| Date::from_day(date(first).day() + i).unwrap()))
            .collect();
        for &as_of in &days {
            for &born in &births {
                for years in 14..30 {
                    assert_eq!(
                        born <= cutoff(as_of, years).unwrap(),
                        completed(born, as_of) >= years,
                        "born {born}, {years} years on {as_of}"
                    );
                }
            }
        }
    }

    #[test]
    fn before_the_calendar_there_is_no_age() {
        assert_eq!(cutoff(date("0100-06-01"), 100), None);
        assert_eq!(cutoff(date("0101-06-01"), 100), Some(date("0001-06-01")));
    }
}
