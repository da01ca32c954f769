//! Bars, drawn as SVG.
//!
//! Names stand above their bars and numbers beside them, so that a drawing as narrow as a telephone's screen
//! is readable; colours come from the page's style, so that it prints.

use std::fmt::Write as _;

use super::html::escape;

/// Width of a drawing, in its own units; about the pixels of a telephone's screen.
const WIDTH: f64 = 420.0;
/// Room for the numbers beside the bars.
const NUMBERS: f64 = 92.0;
/// Height of a bar's name.
const NAME: f64 = 17.0;
/// Height of a bar.
const BAR: f64 = 13.0;
/// Below a bar.
const GAP: f64 = 9.0;
/// Below the last of a group of bars, and above a marked line's name.
const MARGIN: f64 = 6.0;

/// A drawing of bars that begin at 0.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plot {
    /// What it shows.
    pub(super) title: String,
    pub(super) groups: Vec<Group>,
    /// A value to be compared with, and its name.
    pub(super) mark: Option<(f64, String)>,
}

/// Bars under one name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) bars: Vec<Bar>,
}

/// One bar.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bar {
    pub(super) tone: Tone,
    pub(super) value: f64,
    /// The value as it is written beside the bar.
    pub(super) shown: String,
    /// Quartiles of what was measured more than once.
    pub(super) spread: Option<[f64; 2]>,
}

/// What a bar's colour says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// The figure.
    Now,
    /// What it is compared with.
    Other,
}

impl Plot {
    /// The drawing as an `svg` element.
    pub(super) fn to_svg(&self) -> String {
        let largest = self.largest();
        let scale =
            |value: f64| if largest > 0.0 { value / largest * (WIDTH - NUMBERS) } else { 0.0 };
        let (mut drawn, mut mark) = (String::new(), String::new());
        let mut y = if self.mark.is_some() { NAME + MARGIN } else { 0.0 };
        let top = y;
        for group in &self.groups {
            let name = escape(&group.name);
            put(&mut drawn, format_args!(r#"<text x="0" y="{:.1}">{name}</text>"#, y + 12.0));
            y += NAME;
            for bar in &group.bars {
                bar.draw(&mut drawn, y, scale);
                y += BAR + 2.0;
            }
            y += GAP - 2.0;
        }
        if let Some((value, name)) = &self.mark {
            let x = scale(*value);
            // The name is kept inside the drawing.
            let (anchor, at) = if x < WIDTH / 2.0 { ("start", x) } else { ("end", x) };
            let name = escape(name);
            put(
                &mut mark,
                format_args!(
                    r#"<line class="mark" x1="{x:.1}" x2="{x:.1}" y1="{:.1}" y2="{y:.1}"/><text class="small" x="{at:.1}" y="12" text-anchor="{anchor}">{name}</text>"#,
                    top - MARGIN
                ),
            );
        }
        let title = escape(&self.title);
        format!(
            "<svg viewBox=\"0 0 {WIDTH} {y:.0}\" role=\"img\" aria-label=\"{title}\">\n\
             <title>{title}</title>\n{mark}{drawn}</svg>"
        )
    }

    fn largest(&self) -> f64 {
        let bars = self.groups.iter().flat_map(|group| &group.bars);
        let ends = bars.map(|bar| bar.spread.map_or(bar.value, |[_, high]| high.max(bar.value)));
        ends.chain(self.mark.as_ref().map(|(value, _)| *value)).fold(0.0, f64::max)
    }
}

impl Bar {
    fn draw(&self, drawn: &mut String, y: f64, scale: impl Fn(f64) -> f64) {
        let class = match self.tone {
            Tone::Now => "now",
            Tone::Other => "other",
        };
        // A bar of nearly nothing is still seen.
        let width = scale(self.value).max(1.0);
        put(
            drawn,
            format_args!(
                r#"<rect class="{class}" x="0" y="{y:.1}" width="{width:.1}" height="{BAR}"/>"#
            ),
        );
        let mut end = width;
        if let Some([low, high]) = self.spread {
            let (low, high, middle) = (scale(low), scale(high), y + BAR / 2.0);
            end = end.max(high);
            put(
                drawn,
                format_args!(
                    r#"<path class="spread" d="M{low:.1} {middle:.1}H{high:.1}M{low:.1} {:.1}v6M{high:.1} {:.1}v6"/>"#,
                    middle - 3.0,
                    middle - 3.0
                ),
            );
        }
        let shown = escape(&self.shown);
        put(
            drawn,
            format_args!(
                r#"<text class="small" x="{:.1}" y="{:.1}">{shown}</text>"#,
                end + 5.0,
                y + 10.5
            ),
        );
    }
}

fn put(drawn: &mut String, element: std::fmt::Arguments<'_>) {
    writeln!(drawn, "{element}").expect("writing to memory does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(value: f64) -> Bar {
        Bar { tone: Tone::Now, value, shown: format!("{value} ms"), spread: None }
    }

    fn plot(bars: Vec<Bar>) -> Plot {
        let groups = vec![Group { name: "a < b & \"c\"".to_owned(), bars }];
        Plot { title: "title".to_owned(), groups, mark: None }
    }

    #[test]
    fn bars_are_as_long_as_their_values_and_stay_inside() {
        let svg = plot(vec![bar(10.0), bar(5.0)]).to_svg();
        let full = WIDTH - NUMBERS;
        assert!(svg.contains(&format!(r#"width="{full:.1}""#)), "{svg}");
        assert!(svg.contains(&format!(r#"width="{:.1}""#, full / 2.0)), "{svg}");
        let mut spread = plot(vec![Bar { spread: Some([9.0, 20.0]), ..bar(10.0) }]);
        assert!(spread.to_svg().contains(&format!("H{full:.1}M")), "the whisker is the longest");
        spread.mark = Some((40.0, "goal".to_owned()));
        let svg = spread.to_svg();
        assert!(svg.contains(&format!("x1=\"{full:.1}\"")), "{svg}");
        assert!(svg.contains(">goal</text>"));
    }

    #[test]
    fn nothing_and_zero_are_drawn_too() {
        assert!(plot(Vec::new()).to_svg().contains("<svg"));
        let svg = plot(vec![bar(0.0)]).to_svg();
        assert!(svg.contains(r#"width="1.0""#) && !svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn names_cannot_break_out() {
        let svg = plot(vec![bar(1.0)]).to_svg();
        assert!(svg.contains("a &lt; b &amp; &quot;c&quot;"), "{svg}");
    }
}
