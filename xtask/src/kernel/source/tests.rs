//! Tests of the order of places and of the cache, against a local server.

use super::*;

#[test]
#[ignore = "downloads 167 MB from a Debian mirror, and unpacks 1.7 GB"]
fn debians_package_from_the_mirror_to_the_tree() {
    let cache = tempfile::tempdir().unwrap();
    let base = crate::kernel::bases::find("7.3.4").unwrap();
    let tarball = obtain(&base, cache.path()).unwrap();
    assert_eq!(obtain(&base, cache.path()).unwrap(), tarball);
    let into = cache.path().join("tree");
    unpack(&tarball, &into).unwrap();
    let makefile = fs::read_to_string(into.join("Makefile")).unwrap();
    assert!(makefile.contains("VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\n"));
}
