//! Edits of a program's text that do not ask what it means: constants, registers, operators, lines,
//! functions. Most of what comes of it is rejected, and close to what is accepted.

use fastrand::Rng;

const ARITHMETIC: [&str; 11] =
    ["+=", "-=", "*=", "&=", "|=", "^=", "<<=", ">>=", "s>>=", "/=", "%="];
const COMPARISONS: [&str; 10] = ["==", "!=", "<", "<=", ">", ">=", "s<", "s<=", "s>", "s>="];
const SIZES: [&str; 7] = ["u8", "u16", "u32", "u64", "s8", "s16", "s32"];

/// Makes one to three edits; `other` is a program that lines may be taken from.
pub fn change(source: &str, other: &str, rng: &mut Rng) -> String {
    let mut lines: Vec<String> = source.lines().map(str::to_owned).collect();
    let wanted = rng.u32(1..4);
    let mut done = 0;
    for _ in 0..64 {
        if done == wanted || lines.is_empty() {
            break;
        }
        done += u32::from(edit(&mut lines, other, rng).is_some());
    }
    lines.join("\n") + "\n"
}

fn edit(lines: &mut Vec<String>, other: &str, rng: &mut Rng) -> Option<()> {
    let at = rng.usize(..lines.len());
    let line = lines.get(at)?.clone();
    let directive = line.trim_start().starts_with('.');
    if line.trim_end().ends_with(':') || directive && !line.starts_with(".data") {
        return None;
    }
    let edited = match rng.u8(..13) {
        0..4 => number(&line, rng)?,
        4..6 => register(&line, rng)?,
        6 => among(&line, &ARITHMETIC, rng).or_else(|| among(&line, &COMPARISONS, rng))?,
        7 => among(&line, &SIZES, rng)?,
        8 => width(&line)?,
        9 => function(&line, lines, rng)?,
        10 if !directive => {
            lines.remove(at);
            return Some(());
        }
        11 if !directive => {
            let to = body(lines, rng)?;
            lines.insert(to, line);
            return Some(());
        }
        12 if !directive => {
            let all: Vec<&str> = other.lines().filter(|line| is_plain(line)).collect();
            let count = rng.usize(1..4);
            let from = rng.usize(..all.len().max(1));
            let taken: Vec<String> =
                all.iter().skip(from).take(count).map(|line| (*line).to_owned()).collect();
            lines.splice(at..at, taken);
            return Some(());
        }
        _ => return None,
    };
    *lines.get_mut(at)? = edited;
    Some(())
}

/// Whether a line is an instruction that refers to nothing by name.
fn is_plain(line: &str) -> bool {
    let line = line.trim();
    let free = |word: &str| !line.contains(word);
    !line.is_empty()
        && !line.starts_with(['.', ';', '#'])
        && !line.ends_with(':')
        && ["goto", "call ", " ll", "exit"].into_iter().all(free)
}

/// A place inside of some function.
fn body(lines: &[String], rng: &mut Rng) -> Option<usize> {
    let places: Vec<usize> = (0..lines.len()).filter(|at| is_plain(&lines[*at])).collect();
    places.get(rng.usize(..places.len().max(1))).copied()
}

/// The words of a line by position: runs of what may be in a word.
fn words(line: &str, is: impl Fn(&str) -> bool) -> Vec<(usize, usize)> {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    let mut found = Vec::new();
    let mut start = None;
    for (at, c) in line.char_indices().chain([(line.len(), ' ')]) {
        match (part(c), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                if is(&line[from..at]) {
                    found.push((from, at));
                }
                start = None;
            }
            _ => {}
        }
    }
    found
}

fn replaced(line: &str, (from, to): (usize, usize), with: &str) -> String {
    format!("{}{with}{}", &line[..from], &line[to..])
}

fn choose(places: &[(usize, usize)], rng: &mut Rng) -> Option<(usize, usize)> {
    places.get(rng.usize(..places.len().max(1))).copied()
}

fn number(line: &str, rng: &mut Rng) -> Option<String> {
    let is = |word: &str| word.chars().all(|c| c.is_ascii_digit());
    let place = choose(&words(line, is), rng)?;
    let old: i64 = line[place.0..place.1].parse().ok()?;
    let new = match rng.u8(..9) {
        0 | 1 => old + 1,
        2 | 3 => old - 1,
        4 => old + 8,
        5 => old * 2,
        6 => old / 2,
        7 => [0, 7, 31, 63, 255, 0x7fff_ffff][rng.usize(..6)],
        _ => (old - 8).max(0),
    };
    // A sign may stand before it.
    (new >= 0 && new != old).then(|| replaced(line, place, &new.to_string()))
}

fn register(line: &str, rng: &mut Rng) -> Option<String> {
    let is = |word: &str| {
        let digits = word.strip_prefix(['r', 'w']).unwrap_or_default();
        !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())
    };
    let place = choose(&words(line, is), rng)?;
    let kind = line.get(place.0..=place.0)?;
    let new = format!("{kind}{}", rng.u8(..10));
    (new != line[place.0..place.1]).then(|| replaced(line, place, &new))
}

/// Another one of these words, which stand between spaces or after `(`.
fn among(line: &str, all: &[&str], rng: &mut Rng) -> Option<String> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '(' | ')');
    let part = line.split(ends).find(|part| all.contains(part))?;
    let from = line.match_indices(part).find(|(at, _)| {
        line[..*at].chars().next_back().is_none_or(ends)
            && line[*at + part.len()..].chars().next().is_none_or(ends)
    })?;
    let new = all[rng.usize(..all.len())];
    (new != part).then(|| replaced(line, (from.0, from.0 + part.len()), new))
}

/// 32 bits in place of 64, or the other way round.
fn width(line: &str) -> Option<String> {
    if line.contains('*') && line.contains('(') {
        return None;
    }
    let flip = |from: char, to: char| {
        let is = |word: &str| {
            let digits = word.strip_prefix(from).unwrap_or_default();
            !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())
        };
        let places = words(line, is);
        let mut text = line.to_owned();
        for (at, _) in &places {
            text.replace_range(*at..=*at, &to.to_string());
        }
        (!places.is_empty()).then_some(text)
    };
    flip('r', 'w').or_else(|| flip('w', 'r'))
}

/// Another function's name.
fn function(line: &str, lines: &[String], rng: &mut Rng) -> Option<String> {
    let names: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.strip_prefix(".func ").or_else(|| line.strip_prefix(".global ")))
        .collect();
    let place = choose(&words(line, |word| names.contains(&word)), rng)?;
    let new = names.get(rng.usize(..names.len().max(1)))?;
    (*new != &line[place.0..place.1]).then(|| replaced(line, place, new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_changes_something_and_depends_on_the_seed_alone() {
        let source = "    r0 = 5\n    if r1 s> 7 goto L\n    r0 += r2\nL:\n    exit\n";
        let all: Vec<String> =
            (0..2000).map(|seed| change(source, source, &mut Rng::with_seed(seed))).collect();
        assert_eq!(all[7], change(source, source, &mut Rng::with_seed(7)));
        assert!(all.iter().filter(|text| *text != source).count() > 1900);
        for piece in ["r0 = 6", "w0 += w2", "if r1 < 7", "L:"] {
            assert!(all.iter().any(|text| text.contains(piece)), "{piece}");
        }
    }
}
