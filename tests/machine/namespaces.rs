//! The fingerprint inside real namespaces, as containers have them (docs/FINGERPRINT.md, Virtual machines and
//! containers).
//!
//! Each test starts this very program again under `unshare`, in a mount and a network namespace of its own. Where that
//! is not permitted it says so and passes; with `NODELOCK_REQUIRE_NAMESPACES` set it fails instead.
use std::{env, fs, os::unix::fs::MetadataExt as _, process::Command};

use nodelock::fingerprint::{Component, Fingerprint, Probe, TagKey};

/// What a probe in the namespaces found.
struct Seen {
    components: Vec<String>,
    signs: Vec<String>,
    tags: Vec<String>,
}

/// Probes inside new namespaces after `setup`, a shell script; `None` where there are none to be had.
fn probe_after(setup: &str) -> Option<Seen> {
    let script = format!("{setup}\nexec \"$0\" --exact namespaces::what_the_child_sees --nocapture");
    let root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    // Who is not root becomes so in a user namespace, where an overlay over the host's root is not permitted.
    let user: &[&str] = if root { &[] } else { &["--user", "--map-root-user"] };
    let output = Command::new("unshare")
        .args(user)
        .args(["--mount", "--net", "sh", "-euc", &script])
        .arg(env::current_exe().unwrap())
        .env("NODELOCK_TEST_CHILD", "1")
        .output();
    let failure = match output {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8(output.stdout).unwrap();
            let words = |what: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(what)).unwrap();
                line.split_whitespace().map(str::to_owned).collect()
            };
            return Some(Seen {
                components: words("components:"),
                signs: words("signs:"),
                tags: words("tags:"),
            });
        }
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    assert!(env::var_os("NODELOCK_REQUIRE_NAMESPACES").is_none(), "no namespaces: {failure}");
    eprintln!("SKIPPED: namespaces are not permitted here: {failure}");
    None
}

fn tags(fingerprint: &Fingerprint) -> Vec<String> {
    fingerprint
        .tags()
        .iter()
        .map(|tag| format!("{}:{:?}", tag.component(), tag.bytes()).replace(' ', ""))
        .collect()
}

#[test]
fn what_the_child_sees() {
    if env::var_os("NODELOCK_TEST_CHILD").is_none() {
        return;
    }
    let probe = Probe::this_machine();
    let components: Vec<_> = probe.components().map(Component::name).collect();
    let signs: Vec<_> = probe.environment().signs().iter().map(|sign| format!("{sign:?}")).collect();
    println!("\ncomponents: {}", components.join(" "));
    println!("signs: {}", signs.join(" "));
    println!("tags: {}", tags(&probe.fingerprint(&TagKey::new("example.com", "editor"))).join(" "));
}

fn here() -> (Vec<String>, Vec<String>) {
    let probe = Probe::this_machine();
    let components = probe.components().map(|component| component.name().to_owned()).collect();
    (components, tags(&probe.fingerprint(&TagKey::new("example.com", "editor"))))
}

fn without(components: &[String], gone: &[&str]) -> Vec<String> {
    components.iter().filter(|component| !gone.contains(&component.as_str())).cloned().collect()
}

#[test]
fn a_network_namespace_hides_the_cards_and_changes_nothing_else() {
    // /sys shows the cards of the namespace that it was mounted in.
    let Some(seen) = probe_after("mount -t sysfs sysfs /sys") else { return };
    let (components, tags) = here();
    assert_eq!(seen.components, without(&components, &["mac"]));
    assert!(seen.tags.iter().all(|tag| tags.contains(tag)));
}

#[test]
fn a_virtual_card_is_no_card() {
    let script = "mount -t sysfs sysfs /sys\n\
                  command -v ip >/dev/null || { echo 'no ip(8)' >&2; exit 1; }\n\
                  ip link add eth0 type veth peer name host0\n\
                  test -e /sys/class/net/eth0";
    let Some(seen) = probe_after(script) else { return };
    assert_eq!(seen.components, without(&here().0, &["mac"]));
}

#[test]
fn without_sys_what_needs_no_sys_is_left() {
    let Some(seen) = probe_after("mount -t tmpfs tmpfs /sys") else { return };
    let (components, tags) = here();
    let left = seen.components.iter().all(|name| ["os_id", "root_fs", "cpu"].contains(&name.as_str()));
    assert!(left, "{:?}", seen.components);
    assert_eq!(seen.components.contains(&"os_id".to_owned()), components.contains(&"os_id".to_owned()));
    assert!(seen.components.contains(&"cpu".to_owned()));
    assert!(seen.tags.iter().all(|tag| tags.contains(tag)));
}

#[test]
fn a_machine_id_that_is_unset_or_shared_is_none() {
    for id in ["", "uninitialized", "b4047197195f4f359571cd0658157294"] {
        let script = format!(
            "mount -t tmpfs tmpfs /mnt; echo '{id}' >/mnt/id\n\
             for file in /etc/machine-id /var/lib/dbus/machine-id; do\n\
                 if test -e \"$file\"; then mount --bind /mnt/id \"$file\"; fi\n\
             done"
        );
        let Some(seen) = probe_after(&script) else { return };
        assert_eq!(seen.components, without(&here().0, &["os_id"]), "{id}");
    }
}

#[test]
fn an_overlay_as_root_is_a_container_without_a_file_system_of_its_own() {
    let script = "mount -t tmpfs tmpfs /mnt; mkdir /mnt/upper /mnt/work /mnt/root\n\
                  mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root\n\
                  touch /mnt/root/.dockerenv\n\
                  for folder in proc dev run; do mount --rbind /$folder /mnt/root/$folder; done\n\
                  exec chroot /mnt/root \"$0\" --exact namespaces::what_the_child_sees --nocapture";
    let Some(seen) = probe_after(script) else { return };
    for sign in ["DockerEnv", "OverlayRoot"] {
        assert!(seen.signs.contains(&sign.to_owned()), "{sign}: {:?}", seen.signs);
    }
    for component in ["root_fs", "disk_serial", "mac"] {
        assert!(!seen.components.contains(&component.to_owned()), "{component}");
    }
}
