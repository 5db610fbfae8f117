//! A recorded machine, laid out as files.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// A workstation on which root finds every component.
const TREE: &str = include_str!("../../tests/data/machines/workstation-root.tree");

/// Lays it out in `root` as `tests/data/machines/README.md` says, and gives the files in it.
pub fn lay_out(root: &Path) -> Vec<PathBuf> {
    let place = |path: &str| {
        let path = root.join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    let mut files = Vec::new();
    let mut lines = TREE.lines().peekable();
    while let Some(line) = lines.next() {
        if !line.starts_with('/') {
            continue;
        }
        if let Some((path, target)) = line.split_once(" -> ") {
            symlink(target, place(path)).unwrap();
            continue;
        }
        let (path, text) = match line.split_once(" = ") {
            Some((path, value)) => (path, value.to_owned() + "\n"),
            None => {
                let text = std::iter::from_fn(|| lines.next_if(|line| line.starts_with('|')));
                (
                    line.trim_end_matches(':'),
                    text.map(|line| line[1..].trim_start().to_owned() + "\n").collect(),
                )
            }
        };
        files.push(place(path));
        fs::write(&files[files.len() - 1], text).unwrap();
    }
    files
}
