//! The deliberate faults in files of API servers; [`Sabotage`] says which.

use std::path::{Path, PathBuf};

use super::super::error::ClusterError;
use super::super::{Authorities, Setting, SettingError};
use crate::pki::write_private;
use crate::sabotage::Sabotage;

/// Returns `setting` with the files and the pieces of AuthenticationConfiguration that `sabotage` gives it.
pub(super) fn setting(mut setting: Setting, sabotage: Option<&Sabotage>) -> Result<Setting, SettingError> {
    let Some(sabotage) = sabotage else { return Ok(setting) };
    let name = setting.name.clone();
    for (flag, other) in sabotage.borrowed(&name) {
        let file = Setting::named(other)?.file(flag)?.to_owned();
        setting.set_file(flag, file);
    }
    for replacement in sabotage.replaced(&name) {
        let file = setting.file(&replacement.file)?;
        if !file.contains(&replacement.text) {
            return Err(SettingError::NoText {
                setting: name.clone(),
                flag: replacement.file.clone(),
                text: replacement.text.clone(),
            });
        }
        let file = file.replace(&replacement.text, &replacement.with);
        setting.set_file(&replacement.file, file);
    }
    setting.authentication.extend(sabotage.further_pieces(&name).map(str::to_owned));
    Ok(setting)
}

/// Adds what `sabotage` says to files that flags name. A file that only this server has is rewritten, since scenarios rewrite it, too;
/// in place of another one, the server gets one of its own in `directory`.
pub(super) fn join(
    sabotage: &Sabotage,
    setting: &str,
    arguments: &mut [String],
    authorities: &Authorities,
    directory: &Path,
) -> Result<(), ClusterError> {
    for (flag, file) in sabotage.joined(setting) {
        let start = format!("--{flag}=");
        let mut named = arguments.iter_mut().filter(|argument| argument.starts_with(&start));
        let Some(argument) = named.next() else { continue };
        let path = PathBuf::from(&argument[start.len()..]);
        let further = fs_err::read_to_string(authorities.file(file))?;
        let text = format!("{}{further}", fs_err::read_to_string(&path)?);
        let own = if path.parent() == Some(directory) {
            path
        } else {
            directory.join(flag)
        };
        write_private(&own, &text)?;
        *argument = format!("{start}{}", own.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sabotage(change: &str) -> Sabotage {
        let text = format!("described_as = 'x'\nnotices = ['X1']\n[[api_server]]\nsettings = ['main']\n{change}");
        Sabotage::read("toy", &text).expect("it is sound")
    }

    #[test]
    fn a_setting_gets_files_and_pieces_of_others() {
        let named = |name: &str| Setting::named(name).expect("it is there");
        let toy = sabotage("borrowed = { token-auth-file = 'tokens' }\npieces = ['email']");
        let main = setting(named("main"), Some(&toy)).expect("there is such a file");
        assert_eq!(
            main.file("token-auth-file").expect("borrowed"),
            named("tokens").file("token-auth-file").expect("its own")
        );
        assert_eq!(main.authentication.last().map(String::as_str), Some("email"));
        let other = setting(named("oidc_flags"), Some(&toy)).expect("nothing is changed");
        assert!(other.file("token-auth-file").is_err() && other.authentication.is_empty());
    }

    #[test]
    fn a_text_that_the_file_lacks_is_an_error() {
        let borrow = "borrowed = { token-auth-file = 'tokens' }";
        let toy = sabotage(&format!(
            "{borrow}\nreplaced = [{{ file = 'token-auth-file', text = 'bob', with = 'bert' }}]"
        ));
        let main = Setting::named("main").expect("it is there");
        let changed = setting(main.clone(), Some(&toy)).expect("the file has the text");
        assert!(changed.file("token-auth-file").is_ok_and(|text| text.contains("static-bert")));
        let toy = sabotage(&format!(
            "{borrow}\nreplaced = [{{ file = 'token-auth-file', text = 'zoe', with = 'bert' }}]"
        ));
        let error = setting(main, Some(&toy)).expect_err("nobody is named so").to_string();
        assert!(error.contains("zoe") && error.contains("token-auth-file"), "{error}");
    }

    #[test]
    fn a_shared_file_is_not_rewritten() {
        let lab = tempfile::tempdir().expect("a directory");
        let authorities = Authorities::create(lab.path(), &[]).expect("they are made");
        let directory = tempfile::tempdir().expect("a directory");
        let own = directory.path().join("client-authorities.crt");
        fs_err::write(&own, authorities.clients.certificate()).expect("it is written");
        let shared = authorities.file("service-accounts.pub");
        let before = fs_err::read_to_string(&shared).expect("it is there");
        let mut arguments = [
            format!("--client-ca-file={}", own.display()),
            format!("--service-account-key-file={}", shared.display()),
        ];
        let toy = sabotage("joined = { client-ca-file = ['etcd.crt'], service-account-key-file = ['clients.crt'] }");
        join(&toy, "main", &mut arguments, &authorities, directory.path()).expect("the files are there");
        let text = |path: &Path| fs_err::read_to_string(path).expect("it is there");
        assert_eq!(arguments[0], format!("--client-ca-file={}", own.display()));
        assert_eq!(
            text(&own),
            format!("{}{}", authorities.clients.certificate(), authorities.etcd.certificate())
        );
        assert_eq!(text(&shared), before);
        let joined = directory.path().join("service-account-key-file");
        assert_eq!(arguments[1], format!("--service-account-key-file={}", joined.display()));
        assert_eq!(text(&joined), format!("{before}{}", authorities.clients.certificate()));
    }
}
