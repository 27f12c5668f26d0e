//! The programs that pods run.

use meshproof_pocket::Programs;
use meshproof_pocket_node::Program;
use meshproof_toolchain::{Options, Silent, ToolchainError, find, prepared_datadir};

/// The host's programs for pods, as the command finds them, or why there are none.
pub(crate) fn find_programs() -> Result<Programs, String> {
    let told = |error: ToolchainError| error.to_string();
    let options = Options::current().map_err(told)?;
    let found = find(&options, &Silent).map_err(told)?;
    let data_directory = prepared_datadir(&found, &options, &Silent).map_err(told)?;
    let libraries = found.library_path().map(|paths| {
        let paths = paths.to_str().unwrap().to_owned();
        ("LD_LIBRARY_PATH".to_owned(), paths)
    });
    Ok(Programs {
        envoy: found.envoy.path.clone(),
        envoy_version: found.envoy_version().unwrap(),
        mysqld: found.mysqld.path.clone(),
        mysql: found.mysql.path.clone(),
        libraries: found.library_paths.clone(),
        share: found
            .mysql_basedir
            .as_ref()
            .map(|prefix| prefix.join("share/mysql")),
        data_directory,
        nft: Program {
            path: found.nft.path.clone(),
            env: libraries.into_iter().collect(),
        },
        own: std::env::current_exe().unwrap(),
    })
}
