//! Shards: the selected cases divided among several machines, as `cargo nextest --partition` divides
//! tests.

use std::hash::Hasher;
use std::str::FromStr;

use twox_hash::XxHash64;

/// One shard of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    kind: Kind,
    /// 1 to `total`.
    shard: u64,
    /// At least 1.
    total: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Every `total`th case, from the `shard`th on.
    Slice,
    /// By a hash of the case's name: a case stays in its shard whatever else is selected.
    Hash,
}

impl FromStr for Partition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || "expected slice:M/N or hash:M/N, with M from 1 to N".to_owned();
        let (kind, shards) = text.split_once(':').ok_or_else(wrong)?;
        let kind = match kind {
            "slice" => Kind::Slice,
            "hash" => Kind::Hash,
            _ => return Err(wrong()),
        };
        let (shard, total) = shards.split_once('/').ok_or_else(wrong)?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
        let (shard, total) = (number(shard)?, number(total)?);
        if shard == 0 || shard > total {
            return Err(wrong());
        }
        Ok(Self { kind, shard, total })
    }
}

impl Partition {
    /// Whether the case at this place among the selected ones, with this name, is in the shard.
    pub fn has(self, place: usize, name: &str) -> bool {
        let number = match self.kind {
            Kind::Slice => place as u64,
            Kind::Hash => {
                let mut hasher = XxHash64::default();
                hasher.write(name.as_bytes());
                hasher.finish()
            }
        };
        number % self.total == self.shard - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 7] = ["a/one", "a/two", "a/three", "b/one", "b/two", "c/one", "c/two"];

    fn shard(text: &str) -> Vec<&'static str> {
        let partition: Partition = text.parse().unwrap();
        let has = |(place, name): &(usize, &&'static str)| partition.has(*place, name);
        NAMES.iter().enumerate().filter(has).map(|(_, name)| *name).collect()
    }

    #[test]
    fn a_slice_takes_every_nth_case() {
        assert_eq!(shard("slice:1/3"), ["a/one", "b/one", "c/two"]);
        assert_eq!(shard("slice:2/3"), ["a/two", "b/two"]);
        assert_eq!(shard("slice:1/1"), NAMES);
    }

    #[test]
    fn every_case_is_in_one_shard() {
        for kind in ["slice", "hash"] {
            let mut all: Vec<&str> =
                (1..=4).flat_map(|number| shard(&format!("{kind}:{number}/4"))).collect();
            all.sort_unstable();
            let mut names = NAMES;
            names.sort_unstable();
            assert_eq!(all, names, "{kind}");
        }
    }

    #[test]
    fn a_hash_is_of_the_name_alone() {
        let partition: Partition = "hash:2/5".parse().unwrap();
        for name in NAMES {
            assert_eq!(partition.has(0, name), partition.has(9, name));
        }
        // XXH64 of "a" with seed 0 is 0xd24ec4f1a98c6e5b, as its specification lists.
        let of_a = 0xd24e_c4f1_a98c_6e5b_u64 % 1000 + 1;
        let partition: Partition = format!("hash:{of_a}/1000").parse().unwrap();
        assert!(partition.has(0, "a"));
    }

    #[test]
    fn others_are_refused() {
        for wrong in ["", "slice", "slice:0/3", "slice:4/3", "hash:1", "count:1/2", "hash:a/2"] {
            assert!(wrong.parse::<Partition>().is_err(), "{wrong}");
        }
    }
}
