//! Where data is looked for.

use std::path::{Path, PathBuf};

/// The folders to look into, in order: `dir` alone where the caller names one, the folder named by
/// `SECATEUR_DATA` alone where that is set, `../shared/data` and Debian's `/usr/share/datasets`
/// otherwise.
pub(crate) fn roots(dir: Option<&Path>) -> Vec<PathBuf> {
    // A folder that the caller names is the only one: another would silently be other data.
    match (dir, std::env::var_os("SECATEUR_DATA")) {
        (Some(dir), _) => vec![dir.to_path_buf()],
        (None, Some(dir)) => vec![dir.into()],
        (None, None) => vec!["../shared/data".into(), "/usr/share/datasets".into()],
    }
}

/// The first of `name` inside the folder `folder` of a root, or inside a root itself.
///
/// # Errors
///
/// [`NoData`](crate::ExampleError::NoData) if there is none.
pub fn find(folder: &str, name: &str, dir: Option<&Path>) -> crate::Result<PathBuf> {
    let roots = roots(dir);
    let found = roots
        .iter()
        .flat_map(|root| [root.join(folder).join(name), root.join(name)])
        .find(|file| file.is_file());
    found.ok_or_else(|| crate::ExampleError::NoData {
        dataset: format!("{folder}/{name}"),
        tried: roots,
        remedy: format!("pass --data DIR or set SECATEUR_DATA to the folder that holds `{folder}`"),
    })
}

/// Where tests look, which run in the package's folder and not in the repository's.
#[cfg(test)]
pub(crate) fn for_tests() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    std::env::var_os("SECATEUR_DATA").map_or_else(beside, PathBuf::from)
}
