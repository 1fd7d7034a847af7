//! What a log has to say: pieces of text in their order, and pieces that must not be between them.
//!
//! As `validate_msgs()` of `tools/testing/selftests/bpf/test_loader.c`.

use regex::{Regex, RegexBuilder, escape};

/// What has to be found, and what must not, in the order of the source.
#[derive(Clone, Debug, Default)]
pub struct Messages {
    patterns: Vec<Pattern>,
    /// Whether the next pattern of a disassembly has to match on the line after the last one's.
    adjacent: bool,
}

#[derive(Clone, Debug)]
struct Pattern {
    text: String,
    regex: Regex,
    negative: bool,
    /// Whether the match has to start on the line after that on which the last one started.
    on_next_line: bool,
}

/// Where a pattern was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Match {
    start: usize,
    end: usize,
    line: usize,
}

impl Messages {
    /// For lines of a disassembly: the first has no line before it.
    pub fn adjacent() -> Self {
        Self { patterns: Vec::new(), adjacent: true }
    }

    /// Whether nothing is expected.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Adds a message that has to come after those before it, or must not come between its
    /// neighbours.
    ///
    /// # Errors
    ///
    /// When the pattern's regular expression is none.
    pub fn push(&mut self, text: &str, negative: bool) -> Result<(), String> {
        let regex = compile(text)?;
        self.patterns.push(Pattern { text: text.to_owned(), regex, negative, on_next_line: false });
        Ok(())
    }

    /// Adds a line of a disassembly, which has to be the next one unless `...` stands between.
    ///
    /// # Errors
    ///
    /// As of [`Messages::push`].
    pub fn push_line(&mut self, text: &str) -> Result<(), String> {
        if text == "..." {
            self.adjacent = false;
            return Ok(());
        }
        let on_next_line = std::mem::replace(&mut self.adjacent, true);
        let regex = compile(text)?;
        self.patterns.push(Pattern { text: text.to_owned(), regex, negative: false, on_next_line });
        Ok(())
    }

    /// What is wrong with a log, one line for the first thing.
    pub fn judge(&self, log: &str, what: &str) -> Option<String> {
        let matches = self.positive(log);
        let mut last: Option<Match> = None;
        for (at, pattern) in self.patterns.iter().enumerate() {
            let text = &pattern.text;
            if pattern.negative {
                if self.is_between(at, &matches, log) {
                    return Some(format!("the {what} says `{text}`, which it must not here"));
                }
                continue;
            }
            let Some(found) = matches[at] else {
                return Some(match last {
                    None => format!("the {what} does not say `{text}`"),
                    Some(_) => {
                        format!("the {what} does not say `{text}` after what comes before it")
                    }
                });
            };
            if let Some(last) = last.filter(|_| pattern.on_next_line)
                && found.line != last.line + 1
            {
                return Some(format!(
                    "the {what} says `{text}` in line {}, it has to be line {}",
                    found.line + 1,
                    last.line + 2
                ));
            }
            last = Some(found);
        }
        None
    }

    /// Looks for each positive message after the one before it that was found.
    fn positive(&self, log: &str) -> Vec<Option<Match>> {
        let (mut from, mut line, mut counted) = (0, 0, 0);
        let find = |pattern: &Pattern| {
            if pattern.negative {
                return None;
            }
            let found = pattern.regex.find_at(log, from)?;
            line += log[counted..found.start()].matches('\n').count();
            counted = found.start();
            from = found.end();
            Some(Match { start: found.start(), end: found.end(), line })
        };
        self.patterns.iter().map(find).collect()
    }

    /// Whether a negative message is found between its positive neighbours.
    fn is_between(&self, at: usize, matches: &[Option<Match>], log: &str) -> bool {
        let before = matches[..at].iter().flatten().next_back();
        let start = before.map_or(0, |found| found.end);
        let next = (at + 1..self.patterns.len()).find(|&next| !self.patterns[next].negative);
        let end = match next {
            None => log.len(),
            // The neighbour that is missing is the problem then.
            Some(next) => match matches[next] {
                None => return false,
                Some(found) => found.start,
            },
        };
        self.patterns[at].regex.find_at(log, start).is_some_and(|found| found.end() <= end)
    }
}

/// A pattern is text, with extended regular expressions of POSIX between `{{` and `}}`, in which a
/// newline is matched by nothing but itself (`REG_NEWLINE`).
fn compile(pattern: &str) -> Result<Regex, String> {
    let mut source = String::new();
    let mut rest = pattern;
    while let Some((text, after)) = rest.split_once("{{") {
        source.push_str(&escape(text));
        let (expression, after) = after
            .split_once("}}")
            .ok_or_else(|| format!("`{pattern}` has `{{{{` without `}}}}`"))?;
        // As C puts it in one string, an alternative reaches out of its brackets.
        source.push_str(&expression.replace("[^", "[^\\n"));
        rest = after;
    }
    source.push_str(&escape(rest));
    RegexBuilder::new(&source)
        .multi_line(true)
        .build()
        .map_err(|error| format!("`{pattern}` is not a regular expression: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(patterns: &[&str], log: &str) -> Option<String> {
        let mut messages = Messages::default();
        for pattern in patterns {
            match pattern.strip_prefix('!') {
                Some(text) => messages.push(text, true).unwrap(),
                None => messages.push(pattern, false).unwrap(),
            }
        }
        messages.judge(log, "log")
    }

    fn lines(patterns: &[&str], log: &str) -> Option<String> {
        let mut messages = Messages::adjacent();
        for pattern in patterns {
            messages.push_line(pattern).unwrap();
        }
        messages.judge(log, "log")
    }

    #[test]
    fn messages_come_one_behind_the_other() {
        assert_eq!(judged(&["a", "b"], "a b"), None);
        assert_eq!(judged(&[], ""), None);
        assert!(judged(&["b", "a"], "a b").unwrap().contains("`a` after"));
        assert_eq!(judged(&["c"], "a b").unwrap(), "the log does not say `c`");
        // Nothing is matched twice.
        assert!(judged(&["a", "a"], "a").is_some());
    }

    #[test]
    fn text_is_no_regular_expression_outside_of_braces() {
        assert_eq!(judged(&["R1 !read_ok (a|b)[0]"], "R1 !read_ok (a|b)[0]"), None);
        assert_eq!(judged(&["foo{{[0-9]+}}."], "foo007."), None);
        assert!(judged(&["foo{{[0-9]+}}."], "foo007x").is_some());
        assert!(Messages::default().push("a{{b", false).unwrap_err().contains("without"));
        assert!(Messages::default().push("a{{(}}", false).is_err());
    }

    #[test]
    fn a_regular_expression_keeps_to_its_line() {
        assert!(judged(&["a{{.*}}b"], "a\nb").is_some());
        assert!(judged(&["a{{[^x]*}}b"], "a\nb").is_some());
        assert_eq!(judged(&["a{{[^x]*}}b"], "ayb"), None);
        assert_eq!(judged(&["0: exit{{$}}", "{{^}}1:"], "0: exit\n1: exit"), None);
    }

    #[test]
    fn what_must_not_be_said_is_looked_for_between_its_neighbours() {
        assert_eq!(judged(&["a", "!x", "b"], "x a b x"), None);
        assert!(judged(&["a", "!x", "b"], "a x b").unwrap().contains("must not"));
        assert!(judged(&["a", "!y", "!x", "b"], "a x b").is_some());
        assert!(judged(&["!x", "a"], "x a").is_some());
        assert!(judged(&["a", "!x"], "a x").is_some());
        assert_eq!(judged(&["!x"], "a"), None);
        // The positive message that is missing is named, not the negative one.
        assert!(judged(&["a", "!x", "b"], "a x").unwrap().contains("does not say `b`"));
    }

    #[test]
    fn lines_of_a_disassembly_follow_each_other() {
        let text = "0: a\n1: b\n2: c\n";
        assert_eq!(lines(&["1: b", "2: c"], text), None);
        assert_eq!(lines(&["0: a", "...", "2: c"], text), None);
        let wrong = lines(&["0: a", "2: c"], text).unwrap();
        assert_eq!(wrong, "the log says `2: c` in line 3, it has to be line 2");
        assert!(lines(&["0: a", "...", "1: b", "3:"], text).is_some());
    }
}
