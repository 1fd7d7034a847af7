//! The checks of a case that are made after its runs: what is asked of the agent, and what has to
//! come of it.

use bpf_case::{Act, Check};
use bpf_object::LoadPlan;
use bpf_wire::Output;

use super::lower::named;
use super::memory::one_map;
use super::model::Expected;
use super::problem::Problem;
use harness_results::notation::errno_name;

/// Judges what was read from the map with this index by the checks that state what it holds.
pub(super) fn held(
    index: usize,
    checks: &[Check],
    plan: &LoadPlan,
    elements: &[(Vec<u8>, Vec<u8>)],
    problems: &mut Vec<Problem>,
) {
    for check in checks {
        let (Act::Holds(words), Some((at, map))) = (&check.act, named(plan, &check.map)) else {
            continue;
        };
        let value = elements.first().map_or(&[][..], |(_, value)| value);
        if at == index
            && let Some(difference) = words.difference(value)
        {
            problems.push(Problem::result(format!("map {}: {difference}", map.name)));
        }
    }
}

/// Judges the answer to a check.
pub(super) fn one_check(
    check: &Check,
    plan: &LoadPlan,
    output: &Output,
    expected: &Expected,
    problems: &mut Vec<Problem>,
) {
    let Some((index, map)) = named(plan, &check.map) else {
        problems.push(Problem::result(format!("the plan has no map {}", check.map)));
        return;
    };
    match (&check.act, output) {
        (Act::UpdateFails(errno), Output::Attempted(failure)) => {
            let found = failure.as_ref().map_or(0, |failure| failure.errno);
            if found != *errno {
                problems.push(Problem::result(format!(
                    "map {}: BPF_MAP_UPDATE_ELEM gave {}, the case states {}",
                    map.name,
                    if found == 0 { "success".to_owned() } else { errno_name(found) },
                    errno_name(*errno)
                )));
            }
        }
        (Act::LookupBatch, Output::Elements(elements)) => {
            one_map(index, plan, elements, expected, problems);
        }
        (Act::Mmap, Output::Bytes(bytes)) => {
            let size = map.value_size as usize;
            let values = bytes.chunks(size.next_multiple_of(8).max(1));
            let elements: Vec<_> = (0u32..)
                .zip(values)
                .map(|(key, value)| {
                    (key.to_le_bytes().to_vec(), value[..size.min(value.len())].to_vec())
                })
                .collect();
            one_map(index, plan, &elements, expected, problems);
        }
        _ => problems.push(Problem::result(format!(
            "map {}: the agent answered a check with something else",
            map.name
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bpf_case::Words;
    use bpf_object::MapPlan;
    use bpf_wire::Failure;

    use super::*;

    /// What is said of a check of a map that holds `held`, for an answer.
    fn said(act: Act, held: &[u8], output: &Output) -> Vec<String> {
        let map = MapPlan {
            name: "m".to_owned(),
            value_size: held.len() as u32,
            key_size: 4,
            max_entries: 1,
            ..MapPlan::default()
        };
        let plan = LoadPlan { maps: vec![map], ..LoadPlan::default() };
        let expected =
            Expected { maps: vec![Some(vec![(vec![0; 4], held.to_vec())])], ..Expected::default() };
        let check = Check { map: "m".to_owned(), act };
        let mut problems = Vec::new();
        one_check(&check, &plan, output, &expected, &mut problems);
        problems.into_iter().map(|problem| problem.text).collect()
    }

    fn attempted(errno: i32) -> Output {
        let failure = Failure { errno, log: String::new() };
        Output::Attempted((errno != 0).then_some(failure))
    }

    #[test]
    fn an_update_has_to_fail_as_stated() {
        let said = |errno| said(Act::UpdateFails(1), &[0], &attempted(errno));
        assert_eq!(said(1), [""; 0]);
        assert_eq!(said(0), ["map m: BPF_MAP_UPDATE_ELEM gave success, the case states EPERM (1)"]);
        assert_eq!(
            said(16),
            ["map m: BPF_MAP_UPDATE_ELEM gave EBUSY (16), the case states EPERM (1)"]
        );
    }

    #[test]
    fn a_batch_reads_what_the_model_has() {
        let elements = |value: u8| Output::Elements(vec![(vec![0; 4], vec![value])]);
        assert_eq!(said(Act::LookupBatch, &[7], &elements(7)), [""; 0]);
        assert_eq!(
            said(Act::LookupBatch, &[7], &elements(8)),
            ["map m: element 0 with key 00 00 00 00 differs from byte 0: 08, the model has 07"]
        );
        assert_eq!(
            said(Act::LookupBatch, &[7], &Output::Elements(vec![])),
            ["map m: 0 elements, the model has 1"]
        );
    }

    #[test]
    fn mapped_values_lie_in_multiples_of_eight() {
        let mapped = |bytes: &[u8]| said(Act::Mmap, &[1, 2, 3], &Output::Bytes(bytes.to_vec()));
        assert_eq!(mapped(&[1, 2, 3, 0, 0, 0, 0, 0]), [""; 0]);
        assert_eq!(
            mapped(&[1, 2, 4, 0, 0, 0, 0, 0]),
            ["map m: element 0 with key 00 00 00 00 differs from byte 2: 04, the model has 03"]
        );
        assert_eq!(mapped(&[]), ["map m: 0 elements, the model has 1"]);
    }

    #[test]
    fn a_map_holds_the_words_that_are_stated_of_it() {
        let map = |name: &str| MapPlan { name: name.to_owned(), ..MapPlan::default() };
        let plan = LoadPlan { maps: vec![map("a"), map("m")], ..LoadPlan::default() };
        let words = Words {
            columns: vec!["sum".to_owned(), "product".to_owned()],
            rows: vec!["1, 2".to_owned(), "3, 4".to_owned()],
            words: vec![3, 2, 7, 12],
        };
        let checks = [Check { map: "m".to_owned(), act: Act::Holds(Arc::new(words)) }];
        let said = |index, words: &[u64]| {
            let value = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            let mut problems = Vec::new();
            held(index, &checks, &plan, &[(vec![0; 4], value)], &mut problems);
            problems.into_iter().map(|problem| problem.text).collect::<Vec<_>>()
        };
        assert_eq!(said(1, &[3, 2, 7, 12]), [""; 0]);
        assert_eq!(said(1, &[3, 2, 7, 13]), ["map m: `product` of 3, 4: 0xd, the case states 0xc"]);
        assert_eq!(said(1, &[3]), ["map m: 8 bytes, the case states 4 words"]);
        assert_eq!(said(0, &[3]), [""; 0], "another map");
    }

    #[test]
    fn another_answer_is_a_problem() {
        assert_eq!(
            said(Act::Mmap, &[1], &Output::Done),
            ["map m: the agent answered a check with something else"]
        );
    }
}
