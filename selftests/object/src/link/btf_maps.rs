//! Maps of the section `.maps`, described by BTF: `parse_btf_map_def` in `tools/lib/bpf/libbpf.c`.

use super::error::{LinkError, Location};
use super::maps::Entries;
use super::types::Types as Described;
use crate::btf::kind;
use crate::names::BTF_MAPS;
use crate::plan::{MapPlan, MapTypes};
use crate::read::Symbol;

/// `BPF_MAP_TYPE_*`.
const ARRAY: u32 = 2;
const PROG_ARRAY: u32 = 3;
const PERCPU_ARRAY: u32 = 6;
const LPM_TRIE: u32 = 11;
/// Map types that libbpf creates without BTF, because the kernel rejects it: arrays of perf events,
/// stack traces, arrays of cgroups, arrays and hashes of maps, maps of devices, sockets, CPUs and
/// XDP sockets, hashes of sockets and of devices.
const WITHOUT_BTF: [u32; 11] = [4, 7, 8, 12, 13, 14, 15, 16, 17, 18, 25];
/// Size of a program id, the value of a prog array in user space.
const PROG_ID: u32 = 4;

/// Contents of a definition.
pub(super) struct Definition {
    pub(super) plan: MapPlan,
    /// The entries of a prog array, if it has initial ones.
    pub(super) entries: Option<Entries>,
}

/// The map that a symbol of the section defines.
pub(super) fn map(
    symbol: &Symbol<'_>,
    described: &mut Described<'_>,
) -> Result<Definition, LinkError> {
    let fail = |reason: String| Location::new(BTF_MAPS, symbol.name, symbol.value).error(reason);
    let types = described.own().ok_or_else(|| {
        fail("there is no section `.BTF` to describe the map; compile with -g".into())
    })?;
    let members = types.variable(symbol.name).and_then(|id| types.members(id));
    let members = members
        .ok_or_else(|| fail("BTF does not describe the map as a variable of a struct".into()))?;
    let mut plan = MapPlan { name: symbol.name.to_owned(), ..MapPlan::default() };
    let mut entries = None;
    let (mut key, mut value) = (None, None);
    for member in members {
        let malformed = || fail(format!("the field `{}` is not of the form it needs", member.name));
        let number = || types.number(member.type_id).ok_or_else(malformed);
        let pointee = || types.pointee(member.type_id).ok_or_else(malformed);
        let size = |id| types.size(id).ok_or_else(malformed);
        match member.name {
            "type" => plan.map_type = number()?,
            "max_entries" => plan.max_entries = number()?,
            "map_flags" => plan.flags = number()?,
            "key_size" => plan.key_size = number()?,
            "value_size" => plan.value_size = number()?,
            "key" => {
                let id = pointee()?;
                plan.key_size = size(id)?;
                key = Some(id);
            }
            "value" => {
                let id = pointee()?;
                plan.value_size = size(id)?;
                plan.spin_lock = types.member_of_struct(id, "bpf_spin_lock");
                value = Some(id);
            }
            "values" => {
                if types.element_kind(member.type_id) != Some(kind::FUNC_PROTO) {
                    return Err(fail(
                        "the field `values` describes maps in the map, which is not supported; \
                         programs in a prog array are: `__array(values, int (void *))`"
                            .into(),
                    ));
                }
                plan.value_size = PROG_ID;
                entries = Some(Entries {
                    definition: symbol.value..symbol.value.saturating_add(symbol.size),
                    first: symbol.value.saturating_add(u64::from(member.bits / 8)),
                });
            }
            other => {
                return Err(fail(format!(
                    "the field `{other}` is not supported; known are type, max_entries, map_flags, \
                     key_size, value_size, key, value and values"
                )));
            }
        }
    }
    if entries.is_some() && plan.map_type != PROG_ARRAY {
        return Err(fail("programs as `values` of a map that is no prog array".into()));
    }
    plan.types = key.zip(value).and_then(|(key, value)| {
        let fits = match plan.map_type {
            ARRAY | PERCPU_ARRAY => plan.key_size == 4 && types.plain_kind(key) == Some(kind::INT),
            LPM_TRIE => types.plain_kind(key) == Some(kind::STRUCT),
            other => !WITHOUT_BTF.contains(&other),
        };
        fits.then_some(MapTypes { key, value })
    });
    plan.types = plan.types.map(|types| described.of_map(types));
    Ok(Definition { plan, entries })
}
