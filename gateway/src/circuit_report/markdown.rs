//! `report.md`. Plots are left out: every number in them stands in a table.

use std::fmt::Write as _;

use super::contents::{Block, Contents, Table};

/// The page.
pub(super) fn render(contents: &Contents) -> String {
    let mut page = format!("# {}\n", escape(&contents.title));
    for section in &contents.sections {
        put(&mut page, format_args!("\n## {}\n", escape(&section.title)));
        for block in &section.blocks {
            match block {
                Block::Heading(text) => put(&mut page, format_args!("### {}\n", escape(text))),
                Block::Text(text) => put(&mut page, format_args!("{}\n", escape(text))),
                Block::Warning(text) => put(&mut page, format_args!("**{}**\n", escape(text))),
                Block::Table(table) => self::table(&mut page, table),
                Block::Plot(_) => {}
            }
        }
    }
    page
}

fn table(page: &mut String, table: &Table) {
    let line = |row: &[String]| {
        let cells: Vec<_> = row.iter().map(|cell| escape(cell)).collect();
        format!("| {} |", cells.join(" | "))
    };
    put(page, format_args!("{}", line(&table.head)));
    let rules = (0..table.head.len()).map(|column| match column < table.words {
        true => "---".to_owned(),
        false => "---:".to_owned(),
    });
    put(page, format_args!("| {} |", rules.collect::<Vec<_>>().join(" | ")));
    for row in &table.rows {
        put(page, format_args!("{}", line(row)));
    }
    page.push('\n');
}

/// Text that is only text.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '&' => {
                escaped.push('\\');
                escaped.push(sign);
            }
            sign if sign.is_control() => escaped.push(char::REPLACEMENT_CHARACTER),
            sign => escaped.push(sign),
        }
    }
    escaped
}

fn put(page: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(page, "{line}").expect("writing to memory does not fail");
}
