//! Tests of unpacking, on small archives made by the tools themselves.

use super::*;

struct Setup {
    dir: tempfile::TempDir,
}

impl Setup {
    /// A directory `linux-1` with the given files below a temporary one.
    fn new(files: &[&str]) -> Self {
        let setup = Self { dir: tempfile::tempdir().unwrap() };
        let top = setup.path("linux-1");
        fs::create_dir(&top).unwrap();
        for file in files {
            let path = top.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{file}\n")).unwrap();
        }
        setup
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, line: &[&str]) {
        let status = Command::new(line[0]).args(&line[1..]).current_dir(&self.dir).status();
        assert!(status.unwrap().success(), "{line:?}");
    }

    fn tarball(&self) -> Tarball {
        self.run(&["tar", "-cJf", "a.tar.xz", "linux-1"]);
        self.checked("a.tar.xz", Form::KernelOrg)
    }

    fn checked(&self, name: &str, form: Form) -> Tarball {
        let path = self.path(name);
        let sha256 = super::super::digest::Sha256Sum::of_file(&path, |_| ()).unwrap();
        Tarball { path, sha256, form }
    }

    fn deb(&self) -> Tarball {
        self.tarball();
        fs::create_dir_all(self.path("deb/usr/src")).unwrap();
        fs::create_dir_all(self.path("deb/DEBIAN")).unwrap();
        fs::copy(self.path("a.tar.xz"), self.path("deb/usr/src/linux-source-1.tar.xz")).unwrap();
        let control = "Package: linux-source-1\nVersion: 1\nArchitecture: all\n\
            Maintainer: Nobody <nobody@example.org>\nDescription: test\n";
        fs::write(self.path("deb/DEBIAN/control"), control).unwrap();
        self.run(&["dpkg-deb", "--root-owner-group", "-b", "deb", "a.deb"]);
        self.checked("a.deb", Form::Debian)
    }
}

#[test]
fn both_forms_give_the_tree_without_its_top_directory() {
    let setup = Setup::new(&["Makefile", "kernel/bpf/core.c"]);
    for (tarball, into) in [(setup.tarball(), "new/one"), (setup.deb(), "new/two")] {
        let into = setup.path(into);
        unpack(&tarball, &into).unwrap();
        let text = fs::read_to_string(into.join("kernel/bpf/core.c")).unwrap();
        assert_eq!(text, "kernel/bpf/core.c\n");
    }
    assert_eq!(fs::read_dir(setup.path("new")).unwrap().count(), 2);
}

#[test]
fn a_damaged_archive_leaves_nothing_and_names_the_tool_that_saw_it() {
    let setup = Setup::new(&["Makefile"]);
    for (tarball, cut) in [(setup.tarball(), 20), (setup.deb(), 40)] {
        let file = File::options().write(true).open(&tarball.path).unwrap();
        file.set_len(file.metadata().unwrap().len() - cut).unwrap();
        let error = format!("{:#}", unpack(&tarball, &setup.path("new/tree")).unwrap_err());
        assert!(error.contains(&tarball.path.display().to_string()), "{error}");
        assert!(error.contains("` failed (") && error.contains("nexpected"), "{error}");
        assert_eq!(fs::read_dir(setup.path("new")).unwrap().count(), 0);
    }
}

#[test]
fn what_is_no_kernel_is_refused() {
    let setup = Setup::new(&["README"]);
    let error = format!("{:#}", unpack(&setup.tarball(), &setup.path("new/tree")).unwrap_err());
    assert!(error.contains("no Makefile"), "{error}");
    assert_eq!(fs::read_dir(setup.path("new")).unwrap().count(), 0);
}

#[test]
fn a_tree_that_is_there_is_not_touched() {
    let setup = Setup::new(&["Makefile"]);
    let error = unpack(&setup.tarball(), &setup.path("linux-1")).unwrap_err();
    assert!(error.to_string().contains("exists already"), "{error}");
    assert!(setup.path("linux-1/Makefile").exists());
}

#[test]
fn what_a_killed_run_left_is_removed() {
    let setup = Setup::new(&["Makefile"]);
    fs::create_dir_all(setup.path("tree.unpacking/stale")).unwrap();
    unpack(&setup.tarball(), &setup.path("tree")).unwrap();
    assert!(!setup.path("tree/stale").exists() && !setup.path("tree.unpacking").exists());
}

#[test]
fn a_missing_tool_is_the_hosts_fault_and_names_its_package() {
    let error = Pipeline::default().add("no-such-tool", &[]).unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(Stop::HostLacks(_))));
    assert!(error.to_string().contains("no-such-tool is not installed"), "{error}");
}
