//! A listing in columns side by side, as wide as the terminal.

use std::fmt::Write;

use super::listing::{Listing, Machine, Program, Row, Slot, Table};
use super::source::SourceLine;

/// Between two columns.
const GAP: &str = " | ";

/// Least width of a column that has to give way.
const NARROW: usize = 12;

/// How to print.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Characters of a line; none where lines may have any length.
    pub width: Option<usize>,
    /// Whether to mark headings and what is missing.
    pub colour: bool,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The whole listing.
pub fn render(listing: &Listing, style: Style) -> String {
    let mut out = String::new();
    let Listing { case, about, mode, .. } = listing;
    let mode = mode.map_or_else(String::new, |mode| format!(" in {mode}"));
    let _ = writeln!(out, "{}: {about}", style.paint("1", &format!("{case}{mode}")));
    for note in &listing.notes {
        let _ = writeln!(out, "note: {note}");
    }
    for program in &listing.programs {
        out.push('\n');
        if listing.programs.len() > 1 {
            let _ = writeln!(out, "{}", style.paint("1", &format!("program {}", program.name)));
        }
        let missing =
            Missing { xlated: listing.aligned, jited: listing.aligned && listing.has_code() };
        out.push_str(&columns(program, missing, style));
    }
    for table in &listing.tables {
        out.push_str(&jump_table(table));
    }
    if let Some(refused) = &listing.refused {
        let heading = format!("{} fails with {}", refused.step, refused.errno);
        let _ = writeln!(out, "\n{}", style.paint("1;31", &heading));
        let log = match refused.log.as_str() {
            "" => "there is no verifier's log: no program was refused by it",
            log => log,
        };
        let _ = writeln!(out, "{log}");
    }
    out
}

/// One line of the table.
#[derive(Clone, Debug, Default)]
struct Cells([String; 4]);

/// What is said of an instruction that nothing stands beside.
#[derive(Clone, Copy, Debug)]
struct Missing {
    /// Whether it was removed then.
    xlated: bool,
    /// Whether it has no machine code then.
    jited: bool,
}

const HEADINGS: [&str; 4] = ["source", "loaded", "xlated", "machine code"];

fn columns(program: &Program, missing: Missing, style: Style) -> String {
    let mut lines = Vec::new();
    for row in &program.rows {
        of_row(row, missing, &mut lines);
    }
    flow(&mut lines, 0, program.source.iter().map(source).collect());
    flow(&mut lines, 2, program.xlated.iter().map(slot).collect());
    flow(&mut lines, 3, program.jited.iter().flat_map(labelled).collect());
    let used: Vec<usize> =
        (0..4).filter(|&column| lines.iter().any(|line| !line.0[column].is_empty())).collect();
    let natural: Vec<usize> = used
        .iter()
        .map(|&column| {
            let cells = lines.iter().map(|line| line.0[column].chars().count());
            cells.chain([HEADINGS[column].len()]).max().unwrap_or(0)
        })
        .collect();
    let widths = match style.width {
        Some(width) => fitted(&natural, width),
        None => natural,
    };
    let mut out = String::new();
    let headings: Vec<Vec<String>> = used.iter().map(|&at| vec![HEADINGS[at].to_owned()]).collect();
    print(&mut out, &headings, &widths, &|text| style.paint("1", text));
    for line in lines {
        let cells: Vec<Vec<String>> = used
            .iter()
            .zip(&widths)
            .map(|(&column, width)| wrapped(&line.0[column], *width))
            .collect();
        print(&mut out, &cells, &widths, &|text| match text.trim_end() {
            "(removed)" | "(no code)" => style.paint("2", text),
            _ => text.to_owned(),
        });
    }
    out
}

/// The lines of a row: as many as the longest of its columns has.
fn of_row(row: &Row, missing: Missing, lines: &mut Vec<Cells>) {
    let label = row.function.as_ref().map(|name| format!("{name}:"));
    let mut loaded: Vec<String> = row.loaded.iter().map(slot).collect();
    match (label, row.loaded.is_some()) {
        (Some(label), true) => {
            let mut line = Cells::default();
            line.0[1] = label;
            lines.push(line);
        }
        (Some(label), false) => loaded.push(label),
        (None, _) => {}
    }
    let mut xlated: Vec<String> = row.xlated.iter().map(slot).collect();
    let mut jited: Vec<String> = row.jited.iter().map(machine).collect();
    if row.loaded.is_some() {
        if missing.xlated && xlated.is_empty() {
            xlated.push("(removed)".to_owned());
        } else if missing.jited && jited.is_empty() {
            jited.push("(no code)".to_owned());
        }
    }
    let columns = [row.source.iter().map(source).collect(), loaded, xlated, jited];
    let height = columns.iter().map(Vec::len).max().unwrap_or(0);
    let first = lines.len();
    lines.resize_with(first + height, Cells::default);
    for (column, texts) in columns.into_iter().enumerate() {
        for (line, text) in lines[first..].iter_mut().zip(texts) {
            line.0[column] = text;
        }
    }
}

/// Fills a column from the top with what belongs to no row.
fn flow(lines: &mut Vec<Cells>, column: usize, texts: Vec<String>) {
    if texts.is_empty() {
        return;
    }
    // What is left over of an aligned column stands below it.
    let first =
        lines.iter().rposition(|line| !line.0[column].is_empty()).map_or(0, |last| last + 1);
    lines.resize_with(lines.len().max(first + texts.len()), Cells::default);
    for (line, text) in lines[first..].iter_mut().zip(texts) {
        line.0[column] = text;
    }
}

fn source(line: &SourceLine) -> String {
    format!("{:>3} {}", line.number, line.text).trim_end().to_owned()
}

fn slot(slot: &Slot) -> String {
    format!("{:>3}: {}", slot.slot, slot.text)
}

fn machine(machine: &Machine) -> String {
    format!("{:>6} {}", format!("+{:#x}", machine.offset), machine.text)
}

fn labelled(code: &Machine) -> impl Iterator<Item = String> + '_ {
    let label = code.starts.iter().map(|name| format!("{name}:"));
    label.chain([machine(code)])
}

fn jump_table(table: &Table) -> String {
    let mut out = format!("\njump table {}\n", table.name);
    for (index, entry) in table.entries.iter().enumerate() {
        let to = match (entry.xlated, entry.jited) {
            (None, _) => "removed".to_owned(),
            (Some(xlated), None) => format!("xlated {xlated}"),
            (Some(xlated), Some(jited)) => format!("xlated {xlated}, machine code +{jited:#x}"),
        };
        let _ = writeln!(out, "  [{index}] slot {} -> {to}", entry.loaded);
    }
    out
}

/// Widths that fit into a line: the widest columns give way first.
fn fitted(natural: &[usize], width: usize) -> Vec<usize> {
    let room = width.saturating_sub(GAP.len() * natural.len().saturating_sub(1));
    let mut most = natural.iter().copied().max().unwrap_or(0);
    let capped = |most: usize| natural.iter().map(|width| *width.min(&most)).collect::<Vec<_>>();
    while most > NARROW && capped(most).iter().sum::<usize>() > room {
        most -= 1;
    }
    capped(most)
}

/// A cell as lines of at most this many characters, cut at blanks where there are some in their second
/// half; those after the first are set off.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    const INDENT: &str = "     ";
    let mut rest: Vec<char> = text.chars().collect();
    let mut lines = Vec::new();
    let mut indent = "";
    loop {
        let room = width.saturating_sub(indent.len()).max(1);
        if rest.len() <= room {
            lines.push(format!("{indent}{}", rest.into_iter().collect::<String>()));
            return lines;
        }
        let blank = rest[..=room].iter().rposition(|&char| char == ' ').filter(|at| 2 * at > room);
        let behind = rest.split_off(blank.unwrap_or(room));
        lines.push(format!("{indent}{}", rest.into_iter().collect::<String>()));
        rest = behind.into_iter().skip(usize::from(blank.is_some())).collect();
        indent = INDENT;
    }
}

fn print(
    out: &mut String,
    cells: &[Vec<String>],
    widths: &[usize],
    paint: &dyn Fn(&str) -> String,
) {
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    for index in 0..height {
        let texts: Vec<&str> =
            cells.iter().map(|lines| lines.get(index).map_or("", String::as_str)).collect();
        let mut line = String::new();
        for (column, (text, width)) in texts.iter().zip(widths).enumerate() {
            let gap = if column == 0 { "" } else { GAP };
            let padding = " ".repeat(width.saturating_sub(text.chars().count()));
            let _ = write!(line, "{gap}{}{padding}", paint(text));
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing() -> Listing {
        let slot = |slot, text: &str| Slot { slot, text: text.to_owned() };
        let row = Row {
            function: Some("main".to_owned()),
            source: Some(SourceLine { number: 2, text: "r0 = 0".to_owned() }),
            loaded: Some(slot(0, "(b7) r0 = 0")),
            xlated: vec![slot(0, "(b7) r0 = 0"), slot(1, "(bf) r1 = r0")],
            jited: vec![Machine { offset: 0, starts: None, text: "xor eax, eax".to_owned() }],
        };
        let none = Row {
            loaded: Some(slot(1, "(05) goto pc+0")),
            xlated: vec![slot(2, "(05) goto pc+0")],
            ..Row::default()
        };
        let gone = Row { loaded: Some(slot(2, "(95) exit")), ..Row::default() };
        let rows = vec![row, none, gone];
        Listing {
            case: "t/one".to_owned(),
            about: "shows one".to_owned(),
            mode: Some("jit"),
            aligned: true,
            notes: vec!["mind this".to_owned()],
            programs: vec![Program { name: "main".to_owned(), rows, ..Program::default() }],
            ..Listing::default()
        }
    }

    #[test]
    fn what_belongs_together_stands_on_one_line() {
        let table = [
            "source     | loaded              | xlated              | machine code",
            "           | main:               |                     |",
            "  2 r0 = 0 |   0: (b7) r0 = 0    |   0: (b7) r0 = 0    |   +0x0 xor eax, eax",
            "           |                     |   1: (bf) r1 = r0   |",
            "           |   1: (05) goto pc+0 |   2: (05) goto pc+0 | (no code)",
            "           |   2: (95) exit      | (removed)           |",
        ];
        let text = render(&listing(), Style::default());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..3], ["t/one in jit: shows one", "note: mind this", ""]);
        assert_eq!(lines[3..], table);
        let mut interpreted = listing();
        interpreted.programs[0].rows[0].jited.clear();
        let text = render(&interpreted, Style::default());
        assert!(text.contains("(removed)") && !text.contains("code"), "{text}");
    }

    #[test]
    fn a_narrow_terminal_wraps_the_widest() {
        let text = render(&listing(), Style { width: Some(60), colour: false });
        let table: Vec<&str> = text.lines().skip(3).collect();
        assert!(table.iter().all(|line| line.chars().count() <= 60), "{text}");
        // All of it is still there.
        let letters: String = text.split_whitespace().collect();
        assert!(letters.contains("eax"), "{text}");
        assert_eq!(wrapped("0123456789", 7), ["0123456", "     78", "     9"]);
        assert_eq!(wrapped("01234 789 b", 9), ["01234 789", "     b"]);
        assert_eq!(wrapped("01234 789", 9), ["01234 789"]);
    }

    #[test]
    fn a_refusal_ends_with_the_log() {
        let mut listing = listing();
        listing.refused = Some(super::super::listing::Refused {
            step: "BPF_PROG_LOAD of program 0".to_owned(),
            errno: "EINVAL (22)".to_owned(),
            log: "why".to_owned(),
        });
        let text = render(&listing, Style::default());
        assert!(
            text.ends_with("\nBPF_PROG_LOAD of program 0 fails with EINVAL (22)\nwhy\n"),
            "{text}"
        );
        let text = render(&listing, Style { colour: true, ..Style::default() });
        assert!(text.contains("\x1b[1mt/one in jit\x1b[0m"), "{text}");
    }

    #[test]
    fn jump_tables_say_where_they_lead() {
        let entry = |xlated, jited| super::super::listing::TableEntry { loaded: 3, xlated, jited };
        let entries = vec![entry(Some(4), Some(32)), entry(Some(4), None), entry(None, None)];
        let table = Table { name: "jt".to_owned(), entries };
        assert_eq!(
            jump_table(&table),
            "\njump table jt\n  [0] slot 3 -> xlated 4, machine code +0x20\n  \
             [1] slot 3 -> xlated 4\n  [2] slot 3 -> removed\n"
        );
    }
}
