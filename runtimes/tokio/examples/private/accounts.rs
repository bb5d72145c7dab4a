//! Who may log in: names, and the token of each.

use std::{
    collections::{BTreeMap, HashMap},
    mem,
};

/// A name beyond these is refused, because none is ever free again.
pub(crate) const MAX_ACCOUNTS: usize = 500;

const MAX_NAME_LETTERS: usize = 24;

#[derive(Default)]
pub(crate) struct Accounts {
    // Invariant: has the token of every account, and no other.
    names: HashMap<String, String>,
    accounts: BTreeMap<String, Account>,
}

struct Account {
    token: String,
    is_online: bool,
}

impl Accounts {
    /// Gives a name to whoever asks for it first, in small letters. The token is its password.
    pub(crate) fn claim(&mut self, name: &str, token: String) -> Result<String, &'static str> {
        let name = name.trim().to_lowercase();
        if !(1..=MAX_NAME_LETTERS).contains(&name.chars().count()) {
            return Err("A name has 1 to 24 letters.");
        }
        if !name
            .chars()
            .all(|it| it.is_alphanumeric() || "-_".contains(it))
        {
            return Err("A name has letters, digits, - and _ only.");
        }
        if self.exists(&name) {
            return Err("Somebody has this name already.");
        }
        if self.accounts.len() >= MAX_ACCOUNTS {
            return Err("There is no room for more names.");
        }
        self.names.insert(token.clone(), name.clone());
        let account = Account {
            token,
            is_online: false,
        };
        self.accounts.insert(name.clone(), account);
        Ok(name)
    }

    /// The name that belongs to a token.
    pub(crate) fn log_in(&self, token: &str) -> Option<&str> {
        self.names.get(token).map(String::as_str)
    }

    /// The token of a name: for its owner only.
    pub(crate) fn token(&self, name: &str) -> Option<&str> {
        self.accounts.get(name).map(|account| &*account.token)
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.accounts.contains_key(name)
    }

    /// Notes whether somebody is there; says whether that is new.
    pub(crate) fn set_online(&mut self, name: &str, is_online: bool) -> bool {
        let account = self.accounts.get_mut(name);
        account.is_some_and(|it| mem::replace(&mut it.is_online, is_online) != is_online)
    }

    /// Everybody in alphabetical order, and whether they are there.
    pub(crate) fn everybody(&self) -> impl Iterator<Item = (&str, bool)> {
        let accounts = self.accounts.iter();
        accounts.map(|(name, account)| (&**name, account.is_online))
    }
}

#[cfg(test)]
#[path = "accounts_tests.rs"]
mod tests;
