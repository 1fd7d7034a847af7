//! Memory and maps, compared byte by byte.

use bpf_object::LoadPlan;

use super::model::Expected;
use super::problem::Problem;
use harness_results::notation::hex;
use harness_results::record::{By, Difference, Place};

/// Bytes of a memory region shown around the first difference.
const SHOWN_BYTES: usize = 16;

/// Compares what a map holds with what it holds in the model.
pub(super) fn one_map(
    index: usize,
    plan: &LoadPlan,
    elements: &[(Vec<u8>, Vec<u8>)],
    expected: &Expected,
    problems: &mut Vec<Problem>,
) {
    // After a trap the model's maps are half done.
    if expected.is_the_kernels_choice() || expected.runs.iter().any(Result::is_err) {
        return;
    }
    let name = plan.maps.get(index).map_or("?", |map| map.name.as_str());
    let Some(Some(model)) = expected.maps.get(index) else {
        problems.push(Problem::result(format!("map {name}: the model has no contents for it")));
        return;
    };
    let mut observed = elements.to_vec();
    observed.sort();
    let mut model = model.clone();
    model.sort();
    if observed == model {
        return;
    }
    let mut problem = |text: String, difference| {
        let problem = Problem { difference, ..Problem::result(text) };
        problems.push(match expected.runs.len().checked_sub(1) {
            Some(last) => problem.of_run(last),
            None => problem,
        });
    };
    if observed.len() != model.len() {
        let text =
            format!("map {name}: {} elements, the model has {}", observed.len(), model.len());
        problem(text, None);
    }
    let differ = observed.iter().zip(&model).enumerate().find(|(_, (ours, theirs))| ours != theirs);
    let Some((element, ((key, value), (model_key, model_value)))) = differ else { return };
    if key != model_key {
        let (key, model_key) = (hex(key), hex(model_key));
        let text =
            format!("map {name}: element {element} has key {key}, the model has {model_key}");
        problem(text, None);
    } else if let Some(offset) = first_difference(value, model_value) {
        let text = format!(
            "map {name}: element {element} with key {} differs from byte {offset}: {}, the model has {}",
            hex(key),
            hex(shown(value, offset)),
            hex(shown(model_value, offset))
        );
        let difference = Difference {
            run: None,
            place: Place::Map,
            map: Some(name.to_owned()),
            element: Some(element),
            key: Some(hex(key)),
            offset,
            kernel: value.get(offset).copied(),
            expected: model_value.get(offset).copied(),
            by: By::Model,
        };
        problem(text, Some(difference));
    }
}

fn first_difference(a: &[u8], b: &[u8]) -> Option<usize> {
    let at = a.iter().zip(b).position(|(a, b)| a != b);
    at.or_else(|| (a.len() != b.len()).then(|| a.len().min(b.len())))
}

fn shown(bytes: &[u8], from: usize) -> &[u8] {
    bytes.get(from..(from + SHOWN_BYTES).min(bytes.len())).unwrap_or_default()
}

/// Compares the memory of a run with what is expected of it.
pub(super) fn memory(
    run: usize,
    place: Place,
    observed: &[u8],
    expected: &[u8],
    by: By,
) -> Option<Problem> {
    let offset = first_difference(observed, expected)?;
    let (what, said) = (place.name(), by.said());
    let text = if observed.len() != expected.len() {
        let (ours, theirs) = (observed.len(), expected.len());
        format!("run {run}: {what} of {ours} bytes, {said} {theirs} bytes")
    } else {
        let (ours, theirs) = (hex(shown(observed, offset)), hex(shown(expected, offset)));
        format!("run {run}: {what} differs from byte {offset}: {ours}, {said} {theirs}")
    };
    let difference = Difference {
        run: Some(run),
        place,
        map: None,
        element: None,
        key: None,
        offset,
        kernel: observed.get(offset).copied(),
        expected: expected.get(offset).copied(),
        by,
    };
    Some(Problem { difference: Some(difference), ..Problem::result(text).of_run(run) })
}
