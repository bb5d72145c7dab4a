use super::{Accounts, MAX_ACCOUNTS};

#[test]
fn a_name_belongs_to_the_first_who_claims_it_however_it_is_written() {
    let mut accounts = Accounts::default();
    assert_eq!(accounts.claim(" Ada ", "1".to_owned()).unwrap(), "ada");
    assert!(accounts.claim("ADA", "2".to_owned()).is_err());
    assert_eq!(accounts.log_in("1"), Some("ada"));
    assert_eq!(accounts.log_in("2"), None);
    assert_eq!(accounts.token("ada"), Some("1"));
}

#[test]
fn there_is_a_limit_to_names() {
    let mut accounts = Accounts::default();
    let mut claim = |number: usize| {
        let name = number.to_string();
        accounts.claim(&name.clone(), name).is_ok()
    };
    assert!((0..MAX_ACCOUNTS).all(&mut claim));
    assert!(!claim(MAX_ACCOUNTS));
}

#[test]
fn presence_is_news_once() {
    let mut accounts = Accounts::default();
    accounts.claim("ada", "1".to_owned()).unwrap();
    assert!(!accounts.set_online("ada", false));
    assert!(accounts.set_online("ada", true));
    assert!(!accounts.set_online("ada", true));
    assert!(!accounts.set_online("eve", true));
    assert!(accounts.everybody().eq([("ada", true)]));
}
