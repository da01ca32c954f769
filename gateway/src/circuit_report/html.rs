//! `report.html`: one file without scripts, fonts or pictures from elsewhere.

use std::fmt::Write as _;

use super::contents::{Block, Contents, Table};

/// Readable on a telephone, in the dark and on paper.
const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--faint:#5b6570;--line:#d5dae0;--now:#1f6feb;\
--other:#a9b4c0;--warn:#8a4b00}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--paper:#14171a;--faint:#9aa4af;--line:#353b42;\
--now:#6ea8ff;--other:#5b6570;--warn:#ffb454}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.2rem 1rem 3rem;max-width:62rem;background:var(--paper);color:var(--ink);\
font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.6rem;line-height:1.2;margin:.2rem 0 1rem}
h2{font-size:1.25rem;margin:2.2rem 0 .6rem;padding-top:.8rem;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:1.4rem 0 .4rem}
p{margin:.4rem 0;max-width:44rem;overflow-wrap:anywhere}
p.warn{color:var(--warn);font-weight:600}
.wide{overflow-x:auto;margin:.5rem 0}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .9rem .25rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
th{color:var(--faint);font-weight:600}
td.w{overflow-wrap:anywhere}
.n{text-align:right;white-space:nowrap}
tr.sum td{font-weight:600}
figure{margin:1rem 0;max-width:36rem}
figcaption{font-size:.9rem;font-weight:600;margin-bottom:.4rem}
svg{display:block;width:100%;height:auto;overflow:visible;font:12.5px system-ui,sans-serif}
svg text{fill:var(--ink);paint-order:stroke;stroke:var(--paper);stroke-width:3px}
svg .small{font-size:11.5px;fill:var(--faint)}
svg .now{fill:var(--now)}
svg .other{fill:var(--other)}
svg .spread{stroke:var(--ink);stroke-width:1;fill:none}
svg .mark{stroke:var(--warn);stroke-width:1.5;stroke-dasharray:4 3}
@media print{:root{--ink:#000;--paper:#fff;--faint:#444;--line:#bbb;--now:#1f4f9f;--other:#b9c0c8;--warn:#6b3a00}\
body{max-width:none;padding:0;font-size:10.5pt}figure,table,tr{break-inside:avoid}h2,h3{break-after:avoid}\
svg rect{print-color-adjust:exact;-webkit-print-color-adjust:exact}.wide{overflow:visible}}
";

/// The page.
pub(super) fn render(contents: &Contents) -> String {
    let title = escape(&contents.title);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    for section in &contents.sections {
        put(&mut page, format_args!("<h2>{}</h2>", escape(&section.title)));
        for block in &section.blocks {
            match block {
                Block::Heading(text) => put(&mut page, format_args!("<h3>{}</h3>", escape(text))),
                Block::Text(text) => put(&mut page, format_args!("<p>{}</p>", escape(text))),
                Block::Warning(text) => {
                    put(&mut page, format_args!("<p class=\"warn\">{}</p>", escape(text)));
                }
                Block::Table(table) => self::table(&mut page, table),
                Block::Plot(plot) => {
                    let caption = escape(&plot.title);
                    put(
                        &mut page,
                        format_args!(
                            "<figure>\n<figcaption>{caption}</figcaption>\n{}\n</figure>",
                            plot.to_svg()
                        ),
                    );
                }
            }
        }
    }
    page.push_str("</body>\n</html>\n");
    page
}

fn table(page: &mut String, table: &Table) {
    let cells = |row: &[String], name: &str| {
        let cell = |(column, text): (usize, &String)| {
            let class = match column {
                // Long words are of the last column: a name is not broken.
                _ if column >= table.words => " class=\"n\"",
                _ if column > 0 && column + 1 == table.head.len() => " class=\"w\"",
                _ => "",
            };
            format!("<{name}{class}>{}</{name}>", escape(text))
        };
        row.iter().enumerate().map(cell).collect::<String>()
    };
    put(
        page,
        format_args!("<div class=\"wide\"><table>\n<thead><tr>{}</tr></thead>\n<tbody>", {
            cells(&table.head, "th")
        }),
    );
    let last = table.rows.len().saturating_sub(1);
    for (place, row) in table.rows.iter().enumerate() {
        let class = if table.sum && place == last { " class=\"sum\"" } else { "" };
        put(page, format_args!("<tr{class}>{}</tr>", cells(row, "td")));
    }
    put(page, format_args!("</tbody></table></div>"));
}

/// Text that is only text, within an element or an attribute.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            sign if sign.is_control() => escaped.push(char::REPLACEMENT_CHARACTER),
            sign => escaped.push(sign),
        }
    }
    escaped
}

fn put(page: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(page, "{line}").expect("writing to memory does not fail");
}
