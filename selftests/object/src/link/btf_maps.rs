//! Maps of the section `.maps`, described by BTF: `parse_btf_map_def` in `tools/lib/bpf/libbpf.c`.

use super::error::{LinkError, Location};
use super::maps::Entries;
use super::types::Types as Described;
use crate::btf::kind;
use crate::btf_read::{Member, Types};
use crate::names::BTF_MAPS;
use crate::plan::{MapPlan, MapTypes};
use crate::read::Symbol;

/// `BPF_MAP_TYPE_*`.
const ARRAY: u32 = 2;
const PROG_ARRAY: u32 = 3;
const PERCPU_ARRAY: u32 = 6;
const LPM_TRIE: u32 = 11;
const MAPS_OF_MAPS: [u32; 2] = [12, 13];
const RING_BUFFERS: [u32; 2] = [27, 31];
/// Map types that libbpf creates without BTF, because the kernel rejects it: arrays of perf events,
/// stack traces, arrays of cgroups, arrays and hashes of maps, maps of devices, sockets, CPUs and
/// XDP sockets, hashes of sockets and of devices, queues, stacks, arenas.
const WITHOUT_BTF: [u32; 14] = [4, 7, 8, 12, 13, 14, 15, 16, 17, 18, 22, 23, 25, 33];
/// Size of the value of a prog array or a map of maps in user space: an id, a descriptor.
const NUMBER: u32 = 4;
/// Bytes of a page of the guest's memory.
const PAGE: u32 = 4096;

/// Contents of a definition.
pub(super) struct Definition {
    pub(super) plan: MapPlan,
    /// The entries of a prog array or a map of maps, if it has initial ones.
    pub(super) entries: Option<Entries>,
}

/// The map that a symbol of the section defines.
pub(super) fn map(
    symbol: &Symbol<'_>,
    described: &mut Described<'_>,
    notes: &mut Vec<String>,
) -> Result<Definition, LinkError> {
    let fail = |reason: String| Location::new(BTF_MAPS, symbol.name, symbol.value).error(reason);
    let types = described.own().ok_or_else(|| {
        fail("there is no section `.BTF` to describe the map; compile with -g".into())
    })?;
    let members = types.variable(symbol.name).and_then(|id| types.members(id));
    let members = members
        .ok_or_else(|| fail("BTF does not describe the map as a variable of a struct".into()))?;
    let mut fields = Fields { plan: MapPlan::default(), key: None, value: None, values: None };
    fields.plan.name = symbol.name.to_owned();
    fields.read(types, &members, notes).map_err(&fail)?;
    let (mut plan, ids) = fields.finish(types);
    if let Some(inner) = &mut plan.inner {
        inner.types = inner.types.map(|types| described.of_map(types));
    }
    plan.types = ids.map(|types| described.of_map(types));
    let entries = fields.values.map(|bits| Entries {
        definition: symbol.value..symbol.value.saturating_add(symbol.size),
        first: symbol.value.saturating_add(u64::from(bits / 8)),
    });
    Ok(Definition { plan, entries })
}

/// The fields of a definition.
struct Fields {
    plan: MapPlan,
    /// Ids of the types of key and value.
    key: Option<u32>,
    value: Option<u32>,
    /// Offset in bits of the initial entries.
    values: Option<u32>,
}

impl Fields {
    fn read(
        &mut self,
        types: &Types<'_>,
        members: &[Member<'_>],
        notes: &mut Vec<String>,
    ) -> Result<(), String> {
        let plan = &mut self.plan;
        for member in members {
            let malformed = || format!("the field `{}` is not of the form it needs", member.name);
            let number = || types.number(member.type_id).ok_or_else(malformed);
            let pointee = || types.pointee(member.type_id).ok_or_else(malformed);
            let size = |id| types.size(id).ok_or_else(malformed);
            match member.name {
                "type" => plan.map_type = number()?,
                "max_entries" => plan.max_entries = number()?,
                "map_flags" => plan.flags = number()?,
                "numa_node" => plan.numa_node = number()?,
                "map_extra" => {
                    let id = member.type_id;
                    let extra = types.enumerator(id).or_else(|| types.number(id).map(u64::from));
                    plan.extra = extra.ok_or_else(malformed)?;
                }
                "pinning" => {
                    if number()? != 0 {
                        notes.push(format!("map {} is not pinned", plan.name));
                    }
                }
                "key_size" => plan.key_size = number()?,
                "value_size" => plan.value_size = number()?,
                "key" => {
                    let id = pointee()?;
                    plan.key_size = size(id)?;
                    self.key = Some(id);
                }
                "value" => {
                    let id = pointee()?;
                    plan.value_size = size(id)?;
                    plan.spin_lock = types.member_of_struct(id, "bpf_spin_lock");
                    self.value = Some(id);
                }
                "values" => {
                    let (kind, id) = types.element(member.type_id).ok_or_else(malformed)?;
                    match (kind, plan.map_type) {
                        (kind::FUNC_PROTO, PROG_ARRAY) => {}
                        (kind::STRUCT, of) if MAPS_OF_MAPS.contains(&of) => {
                            plan.inner = Some(inner(types, id, &plan.name, notes)?);
                        }
                        _ => {
                            return Err("the field `values` has programs in a prog array, \
                                        `__array(values, int (void *))`, or maps in a map of maps, \
                                        `__array(values, struct inner)`"
                                .to_owned());
                        }
                    }
                    plan.value_size = NUMBER;
                    self.values = Some(member.bits);
                }
                other => {
                    return Err(format!(
                        "the field `{other}` is not supported; known are type, max_entries, \
                         map_flags, map_extra, numa_node, pinning, key_size, value_size, key, \
                         value and values"
                    ));
                }
            }
        }
        Ok(())
    }

    /// The plan, and the types of key and value where the kernel takes them.
    fn finish(&mut self, types: &Types<'_>) -> (MapPlan, Option<MapTypes>) {
        let mut plan = std::mem::take(&mut self.plan);
        if RING_BUFFERS.contains(&plan.map_type) {
            plan.max_entries = ring_buffer(plan.max_entries);
        }
        let ids = self.key.zip(self.value).and_then(|(key, value)| {
            let fits = match plan.map_type {
                ARRAY | PERCPU_ARRAY => {
                    plan.key_size == 4 && types.plain_kind(key) == Some(kind::INT)
                }
                LPM_TRIE => types.plain_kind(key) == Some(kind::STRUCT),
                other => !WITHOUT_BTF.contains(&other),
            };
            fits.then_some(MapTypes { key, value })
        });
        (plan, ids)
    }
}

/// What the maps in a map look like, by the struct that defines them.
fn inner(
    types: &Types<'_>,
    id: u32,
    outer: &str,
    notes: &mut Vec<String>,
) -> Result<Box<MapPlan>, String> {
    let name = format!("{outer}.inner");
    let members = types.members(id).ok_or_else(|| format!("BTF does not describe `{name}`"))?;
    let mut fields = Fields { plan: MapPlan::default(), key: None, value: None, values: None };
    fields.plan.name = name;
    fields.read(types, &members, notes)?;
    if fields.values.is_some() {
        return Err("maps in maps in maps are not supported, by libbpf neither".to_owned());
    }
    let (plan, ids) = fields.finish(types);
    Ok(Box::new(MapPlan { types: ids, ..plan }))
}

/// Bytes of a ring buffer: a power of two of pages (`adjust_ringbuf_sz()` of
/// `tools/lib/bpf/libbpf.c`); 0 stays, for the kernel to refuse.
fn ring_buffer(bytes: u32) -> u32 {
    match bytes {
        0 => 0,
        _ => bytes.div_ceil(PAGE).checked_next_power_of_two().unwrap_or(0).saturating_mul(PAGE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_buffers_have_a_power_of_two_of_pages() {
        let sizes = [0, 1, 4096, 4097, 12288, 1 << 31].map(ring_buffer);
        assert_eq!(sizes, [0, 4096, 4096, 8192, 16384, 1 << 31]);
    }
}
