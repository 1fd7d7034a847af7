//! Minimises a program that somebody finds interesting: lines, functions, inputs, constants.

use crate::sample::Sample;

/// Makes a sample smaller as long as `interesting` says yes, which is asked `budget` times at most.
/// What does not assemble costs as much, so `interesting` has to be quick to refuse it.
///
/// # Errors
///
/// As soon as `interesting` fails.
pub fn shrink<E>(
    sample: &Sample,
    budget: usize,
    interesting: &mut dyn FnMut(&Sample) -> Result<Option<bool>, E>,
) -> Result<Sample, E> {
    let mut shrinker = Shrinker { best: sample.clone(), left: budget, interesting };
    loop {
        let before = shrinker.best.clone();
        shrinker.inputs()?;
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
    interesting: &'a mut dyn FnMut(&Sample) -> Result<Option<bool>, E>,
}

impl<E> Shrinker<'_, E> {
    /// Takes a candidate over if it is still interesting.
    fn attempt(&mut self, candidate: Sample) -> Result<bool, E> {
        if self.left == 0 || candidate == self.best {
            return Ok(false);
        }
        // None: it is no program, and nobody had to run it.
        let Some(yes) = (self.interesting)(&candidate)? else { return Ok(false) };
        self.left -= 1;
        if yes {
            self.best = candidate;
        }
        Ok(yes)
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
        let mut interesting = |sample: &Sample| -> Result<Option<bool>, ()> {
            asked += 1;
            let text = &sample.source;
            let has = text.contains("c\n") && text.contains("r1 =") && text.contains('b');
            Ok(Some(has && sample.inputs.iter().any(|input| input.context == [2])))
        };
        let small = shrink(&sample, 1000, &mut interesting).unwrap();
        assert_eq!(small.source, "b\nc\n    r1 = 0\n");
        assert_eq!(small.inputs, [input(2)]);
        assert_eq!(small.flags, 0);
        assert!(asked < 60, "{asked}");
    }

    #[test]
    fn the_budget_is_kept() {
        let sample = Sample { source: "a\n".repeat(100), ..Sample::default() };
        let mut asked = 0;
        let mut never = |_: &Sample| -> Result<Option<bool>, ()> {
            asked += 1;
            Ok(Some(false))
        };
        shrink(&sample, 10, &mut never).unwrap();
        assert_eq!(asked, 10);
    }
}
