//! Keys of the cache: digests over all that can change a result.

use sha2::{Digest, Sha256};

use super::source::digest::Sha256Sum;

/// Raised whenever this builder starts to build differently from the same inputs: other make targets,
/// other variables, another layout of the cache.
pub const BUILDER_VERSION: u32 = 1;

/// Hexadecimal digits of a key. 128 bits: nobody attacks this cache with collisions.
const KEY_DIGITS: usize = 32;

/// Feeds named, length-prefixed fields to SHA-256, so that no two lists of fields look the same.
#[derive(Debug)]
pub struct Digester(Sha256);

impl Digester {
    /// A digest for this purpose.
    pub fn new(purpose: &str) -> Self {
        let mut new = Self(Sha256::new());
        new.field("purpose", purpose.as_bytes());
        new
    }

    /// Adds a field.
    pub fn field(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Self {
        for bytes in [name.as_bytes(), value.as_ref()] {
            self.0.update((bytes.len() as u64).to_le_bytes());
            self.0.update(bytes);
        }
        self
    }

    /// The key: 32 hexadecimal digits.
    pub fn finish(self) -> String {
        let mut text = Sha256Sum::of(self.0).to_string();
        text.truncate(KEY_DIGITS);
        text
    }
}

/// All that can change a build's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingredients<'a> {
    /// Identifies the source below the series.
    pub source: &'a str,
    /// Identifies the contents of the patches that are applied.
    pub series: &'a str,
    /// The final .config.
    pub config: &'a str,
    /// Versions of compiler, assembler and linker.
    pub toolchain: &'a str,
}

impl Ingredients<'_> {
    /// The build's key.
    pub fn key(&self) -> String {
        let mut digester = Digester::new("build");
        digester
            .field("builder", BUILDER_VERSION.to_le_bytes())
            .field("source", self.source)
            .field("series", self.series)
            .field("config", self.config)
            .field("toolchain", self.toolchain);
        digester.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ingredient_counts() {
        let base = Ingredients { source: "s", series: "p", config: "c", toolchain: "t" };
        let others = [
            Ingredients { source: "x", ..base.clone() },
            Ingredients { series: "x", ..base.clone() },
            Ingredients { config: "x", ..base.clone() },
            Ingredients { toolchain: "x", ..base.clone() },
            // The same letters, cut differently.
            Ingredients { source: "sp", series: "", ..base.clone() },
        ];
        assert_eq!(base.key(), base.clone().key());
        for other in others {
            assert_ne!(base.key(), other.key(), "{other:?}");
        }
    }

    #[test]
    fn a_key_is_a_file_name() {
        let key = Digester::new("x").finish();
        assert_eq!(key.len(), KEY_DIGITS);
        assert!(key.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}
