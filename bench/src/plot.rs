//! Plots as SVG, with both axes in powers of ten.

use std::fmt::Write as _;

use crate::report::Plot;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
/// Room to the left, at the top, to the right (for names) and at the bottom.
const ROOM: [f64; 4] = [70.0, 40.0, 170.0, 50.0];
const COLOURS: [&str; 5] = ["#1b6ca8", "#d1495b", "#2e8b57", "#8e6c8a", "#b8860b"];

/// One direction: the powers of ten that it spans, and the pixels.
struct Axis {
    from: i32,
    to: i32,
    pixels: (f64, f64),
}

impl Axis {
    fn over(values: impl Iterator<Item = f64> + Clone, pixels: (f64, f64)) -> Self {
        let least = values.clone().fold(f64::INFINITY, f64::min).log10().floor() as i32;
        let most = values.fold(1e-9, f64::max).log10().ceil() as i32;
        Self { from: least, to: most.max(least + 1), pixels }
    }

    fn place(&self, value: f64) -> f64 {
        let part = (value.log10() - f64::from(self.from)) / f64::from(self.to - self.from);
        self.pixels.0 + part * (self.pixels.1 - self.pixels.0)
    }

    fn marks(&self) -> impl Iterator<Item = (i32, f64)> {
        (self.from..=self.to).map(|power| (power, self.place(10_f64.powi(power))))
    }
}

/// A plot as SVG.
pub fn svg(plot: &Plot) -> String {
    let points = || plot.lines.iter().flat_map(|line| line.points.iter().copied());
    let [left, top, right, bottom] = ROOM;
    let along = Axis::over(points().map(|point| point.0), (left, WIDTH - right));
    let up = Axis::over(points().map(|point| point.1), (HEIGHT - bottom, top));
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{left}\" y=\"22\" font-size=\"15\">{}</text>\n",
        plot.title
    );
    axes(&mut text, plot, &along, &up);
    for (line, (at, colour)) in plot.lines.iter().zip(COLOURS.iter().cycle().enumerate()) {
        let place = |point: &(f64, f64)| format!("{:.1},{:.1}", along.place(point.0), up.place(point.1));
        let path: Vec<String> = line.points.iter().map(place).collect();
        let _ = writeln!(
            text,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>",
            path.join(" ")
        );
        for point in &line.points {
            let (x, y) = (along.place(point.0), up.place(point.1));
            let _ = writeln!(text, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
        let (x, y) = (WIDTH - right + 12.0, top + 18.0 * (at as f64 + 0.5));
        let _ = writeln!(text, "<text x=\"{x}\" y=\"{y}\" fill=\"{colour}\">{}</text>", line.name);
    }
    text + "</svg>\n"
}

fn axes(text: &mut String, plot: &Plot, along: &Axis, up: &Axis) {
    let (bottom, left) = (up.pixels.0, along.pixels.0);
    for (power, x) in along.marks() {
        let _ = writeln!(
            text,
            "<path d=\"M{x:.1} {bottom}V{}\" stroke=\"#ddd\"/><text x=\"{x:.1}\" y=\"{}\" \
             text-anchor=\"middle\">{}</text>",
            up.pixels.1,
            bottom + 18.0,
            number(power)
        );
    }
    for (power, y) in up.marks() {
        let _ = writeln!(
            text,
            "<path d=\"M{left} {y:.1}H{}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" \
             text-anchor=\"end\">{}</text>",
            along.pixels.1,
            left - 8.0,
            y + 4.0,
            number(power)
        );
    }
    let middle = (along.pixels.0 + along.pixels.1) / 2.0;
    let _ = writeln!(
        text,
        "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
        HEIGHT - 12.0,
        plot.axes.0
    );
}

fn number(power: i32) -> String {
    10_f64.powi(power).to_string()
}
