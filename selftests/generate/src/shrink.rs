//! Minimises a program that somebody finds interesting: lines, functions, inputs, constants.

use crate::sample::Sample;

/// What somebody says of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is no program.
    Invalid,
    /// It is the same program as the last interesting one, so that nobody had to run it.
    Same,
    /// It was run and is interesting.
    Yes,
    /// It was run and is not.
    No,
}

/// Makes a sample smaller as long as `interesting` says yes. At most `budget` candidates are run.
///
/// # Errors
///
/// As soon as `interesting` fails.
pub fn shrink<E>(
    sample: &Sample,
    budget: usize,
    interesting: &mut dyn FnMut(&Sample) -> Result<Answer, E>,
) -> Result<Sample, E> {
    let mut shrinker = Shrinker { best: sample.clone(), left: budget, interesting };
    loop {
        let before = shrinker.best.clone();
        shrinker.inputs()?;
        shrinker.parts()?;
        shrinker.chunks()?;
        shrinker.lines()?;
        if shrinker.best == before || shrinker.left == 0 {
            return Ok(shrinker.best);
        }
    }
}

struct Shrinker<'a, E> {
    best: Sample,
    left: usize,
    interesting: &'a mut dyn FnMut(&Sample) -> Result<Answer, E>,
}

impl<E> Shrinker<'_, E> {
    /// Takes a candidate over if it is still interesting.
    fn attempt(&mut self, candidate: Sample) -> Result<bool, E> {
        if self.left == 0 || candidate == self.best {
            return Ok(false);
        }
        let answer = (self.interesting)(&candidate)?;
        self.left -= usize::from(matches!(answer, Answer::Yes | Answer::No));
        let taken = matches!(answer, Answer::Yes | Answer::Same);
        if taken {
            self.best = candidate;
        }
        Ok(taken)
    }

    /// Leaves out whole functions, programs and definitions.
    fn parts(&mut self) -> Result<(), E> {
        let begins = |line: &str| {
            let words = [".func ", ".global ", ".prog ", ".data ", ".map "];
            words.into_iter().any(|word| line.starts_with(word))
        };
        let mut at = 0;
        while at < self.count() {
            let lines = self.split();
            let rest = lines.iter().skip(at + 1).position(|line| begins(line));
            let end = rest.map_or(lines.len(), |rest| at + 1 + rest);
            let kept = [&lines[..at], &lines[end..]].concat();
            if !begins(&lines[at]) || !self.attempt(self.with(&kept))? {
                at = end;
            }
        }
        Ok(())
    }

    fn inputs(&mut self) -> Result<(), E> {
        self.attempt(Sample { flags: 0, ..self.best.clone() })?;
        for at in 0..self.best.inputs.len() {
            let one = vec![self.best.inputs[at].clone()];
            if self.best.inputs.len() > 1
                && self.attempt(Sample { inputs: one, ..self.best.clone() })?
            {
                break;
            }
        }
        let mut at = 0;
        while at < self.best.inputs.len() && self.best.inputs.len() > 1 {
            let mut candidate = self.best.clone();
            candidate.inputs.remove(at);
            at += usize::from(!self.attempt(candidate)?);
        }
        Ok(())
    }

    /// Leaves out runs of lines, long ones first.
    fn chunks(&mut self) -> Result<(), E> {
        let mut size = self.count() / 2;
        while size > 0 {
            let mut at = 0;
            while at < self.count() && self.left > 0 {
                let lines = self.split();
                let end = (at + size).min(lines.len());
                let kept = [&lines[..at], &lines[end..]].concat();
                at += if self.attempt(self.with(&kept))? { 0 } else { size };
            }
            size /= 2;
        }
        Ok(())
    }

    /// Makes single lines simpler.
    fn lines(&mut self) -> Result<(), E> {
        for at in 0..self.count() {
            for simpler in self.split().get(at).map(|line| simpler(line)).unwrap_or_default() {
                let mut lines = self.split();
                if at < lines.len() {
                    lines[at] = simpler;
                    if self.attempt(self.with(&lines))? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn count(&self) -> usize {
        self.best.source.lines().count()
    }

    fn split(&self) -> Vec<String> {
        self.best.source.lines().map(str::to_owned).collect()
    }

    fn with(&self, lines: &[String]) -> Sample {
        let source = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        Sample { source, ..self.best.clone() }
    }
}

/// What could stand in place of a line.
fn simpler(line: &str) -> Vec<String> {
    let text = line.trim();
    if text.starts_with("call ") || text.starts_with("callx ") {
        return vec!["    r0 = 0".to_owned()];
    }
    if text.starts_with("if ")
        && let Some((_, label)) = text.split_once(" goto ")
    {
        return vec![format!("    goto {label}")];
    }
    if let Some((name, items)) = text.strip_prefix(".data ").and_then(|rest| rest.split_once(": "))
    {
        let items: Vec<&str> = items.split(", ").collect();
        let shorter = |kept: &[&str]| format!(".data {name}: {}", kept.join(", "));
        return (1..items.len()).map(|count| shorter(&items[..count])).collect();
    }
    match text.split_once(" = ") {
        Some((to, value)) if !to.contains('*') && value != "0" && !text.starts_with('.') => {
            vec![format!("    {to} = 0"), format!("    {to} = 1")]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Bytes;

    #[test]
    fn what_matters_is_left() {
        let source = "a\nb\n    call f\nc\nd\n    r1 = 77\ne\n";
        let input = |byte| Bytes { context: vec![byte], packet: Vec::new() };
        let inputs = vec![input(1), input(2), input(3)];
        let sample = Sample { source: source.into(), inputs, flags: 8 };
        let mut asked = 0;
        let mut interesting = |sample: &Sample| -> Result<Answer, ()> {
            asked += 1;
            let text = &sample.source;
            let has = text.contains("c\n") && text.contains("r1 =") && text.contains('b');
            let has = has && sample.inputs.iter().any(|input| input.context == [2]);
            Ok(if has { Answer::Yes } else { Answer::No })
        };
        let small = shrink(&sample, 1000, &mut interesting).unwrap();
        assert_eq!(small.source, "b\nc\n    r1 = 0\n");
        assert_eq!(small.inputs, [input(2)]);
        assert_eq!(small.flags, 0);
        assert!(asked < 60, "{asked}");
    }

    #[test]
    fn functions_that_do_not_matter_go_first() {
        let source = "a\n.func f\nb\nc\n.func g\nd\n.data x .rodata: 1\n";
        let mut asked = Vec::new();
        let mut interesting = |sample: &Sample| -> Result<Answer, ()> {
            asked.push(sample.source.clone());
            Ok(if sample.source.contains("d\n") { Answer::Same } else { Answer::Invalid })
        };
        let sample = Sample { source: source.into(), ..Sample::default() };
        assert_eq!(shrink(&sample, 1, &mut interesting).unwrap().source, "d\n");
        assert_eq!(asked[0], "a\n.func g\nd\n.data x .rodata: 1\n");
    }

    #[test]
    fn the_budget_is_kept() {
        let sample = Sample { source: "a\n".repeat(100), ..Sample::default() };
        let mut asked = 0;
        let mut never = |_: &Sample| -> Result<Answer, ()> {
            asked += 1;
            Ok(Answer::No)
        };
        shrink(&sample, 10, &mut never).unwrap();
        assert_eq!(asked, 10);
    }
}
