//! Programs that talk to the network by an address in their arguments.

use crate::effects::host;
use crate::effects::is_local;
use crate::effects::is_reachable;
use crate::facts::Access;
use crate::facts::Kind;
use crate::paths;
use crate::paths::PathClass;
use crate::programs::flag_values;
use crate::programs::has_flag;
use crate::programs::is_version_or_help;
use crate::programs::positional;
use crate::walk::Walker;

/// `None` when this module does not know the program.
pub(super) fn judge(
    walker: &mut Walker<'_>,
    name: &str,
    args: &[String],
    span: &str,
) -> Option<Option<String>> {
    match name {
        "curl" | "wget" | "http" | "https" => transfer(walker, name, args, span),
        _ => return None,
    }
    Some(None)
}

/// A file that goes out. One of the system is nobody's to send, to a server of this machine either.
fn sends_file(walker: &mut Walker<'_>, file: &str, span: &str) {
    walker.touch(file, Access::Read, span);
    let full = paths::resolve(file, walker.cwd.as_deref(), &walker.context.home);
    if full.is_some_and(|full| paths::class(&full, walker.context) == PathClass::System) {
        walker.add(Kind::Ask, "send-system", span, "sends what a file of the system holds");
    }
}

fn transfer(walker: &mut Walker<'_>, name: &str, args: &[String], span: &str) {
    if is_version_or_help(args) {
        walker.add(Kind::Read, "read", span, "prints what it says of itself");
        return;
    }
    let values = [
        "-o",
        "-d",
        "-H",
        "-X",
        "-u",
        "-A",
        "-b",
        "-c",
        "-e",
        "-F",
        "-K",
        "-m",
        "-T",
        "-x",
        "-w",
        "-r",
        "-E",
        "-z",
        "-D",
        "--data",
        "--header",
        "--request",
        "--user",
        "--output",
        "--max-time",
        "--connect-timeout",
        "--retry",
        "--data-raw",
        "--data-binary",
        "--form",
        "--user-agent",
        "--cookie",
        "--config",
        "--upload-file",
        "--proxy",
        "--write-out",
        "--cacert",
        "--cert",
        "--key",
        "--resolve",
        "--data-urlencode",
        "--json",
        "--url",
        "--retry-delay",
        "--connect-to",
        "--unix-socket",
        "--retry-max-time",
    ];
    let wget_values = [
        "-O",
        "-P",
        "-T",
        "-t",
        "-U",
        "-o",
        "-a",
        "-i",
        "--output-document",
        "--directory-prefix",
        "--timeout",
        "--tries",
        "--header",
        "--post-data",
    ];
    let values: Vec<String> = if name == "wget" { &wget_values[..] } else { &values[..] }
        .iter()
        .map(|v| (*v).to_owned())
        .collect();
    let mut addresses = positional(args, &values);
    addresses.extend(flag_values(args, "--url"));
    if ["http", "https"].contains(&name) {
        addresses.retain(|a| a.contains(['.', ':', '/']) && !a.contains('='));
    }
    let sends = [
        "-d",
        "--data",
        "-F",
        "--form",
        "-T",
        "--upload-file",
        "--data-raw",
        "--data-binary",
        "--data-urlencode",
        "--json",
        "--post-data",
        "--post-file",
        "--body-file",
        "-u",
        "--user",
    ];
    let sending = sends.iter().any(|flag| !flag_values(args, flag).is_empty())
        || flag_values(args, "-X")
            .iter()
            .chain(&flag_values(args, "--request"))
            .any(|m| !["GET", "HEAD", "OPTIONS"].contains(&m.as_str()));
    let all_local = !addresses.is_empty()
        && addresses.iter().all(|a| {
            is_local(&host(a)) && !a.starts_with("file:") && !is_reachable(a, &walker.context.hosts)
        });
    for address in &addresses {
        if let Some(path) = address.strip_prefix("file://") {
            walker.touch(path, Access::Read, span);
        } else {
            walker.network(address, span, sending);
        }
    }
    for flag in sends {
        for value in flag_values(args, flag) {
            let file = value
                .split_once('@')
                .map(|(_, file)| file.split(';').next().unwrap_or(file).to_owned());
            if let Some(file) = file.filter(|_| !["-u", "--user", "--data-raw"].contains(&flag)) {
                sends_file(walker, &file, span);
            } else if ["-T", "--upload-file", "--post-file", "--body-file"].contains(&flag) {
                sends_file(walker, &value, span);
            }
        }
    }
    let outputs: &[&str] = if name == "wget" {
        &["-O", "--output-document", "-P", "--directory-prefix", "-o", "-a"]
    } else {
        &["-o", "--output", "-D", "-c", "--output-dir"]
    };
    for flag in outputs {
        for path in flag_values(args, flag).iter().filter(|path| *path != "-") {
            walker.touch(path, Access::Write, span);
        }
    }
    if has_flag(
        args,
        &["--config", "--proxy", "--unix-socket", "--connect-to", "--resolve", "--use-askpass"],
    ) || args.iter().any(|arg| ["-K", "-x"].contains(&arg.as_str()))
        || name == "wget" && has_flag(args, &["-i", "--input-file", "-e", "--execute"])
    {
        walker.add(Kind::Ask, "network", span, "goes another way than its address says");
    }
    if addresses.is_empty() {
        walker.add(Kind::Ask, "network", span, "fetches from an address that is not known");
    } else if all_local {
        walker.add(
            Kind::Contained,
            "network-local",
            span,
            "talks to this machine only, which the sandbox contains",
        );
    }
}
