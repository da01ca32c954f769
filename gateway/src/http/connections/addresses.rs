//! How many connections each client has.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Bits of an IPv6 address that the client chooses as it likes (RFC 4291, section 2.5.4).
const INTERFACE_BITS: u32 = 64;

/// Counts open connections by address.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    most: usize,
}

/// One connection in an address's count, for as long as it lives.
#[derive(Debug)]
pub(super) struct Share {
    address: IpAddr,
    addresses: Addresses,
}

impl Addresses {
    /// At most `most` connections from one address at once.
    pub(super) fn new(most: usize) -> Self {
        Self { open: Arc::default(), most }
    }

    /// Counts a connection; none if its address has as many as it may.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Share> {
        let address = client(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_insert(0);
        if *count >= self.most {
            if *count == 0 {
                open.remove(&address);
            }
            return None;
        }
        *count += 1;
        Some(Share { address, addresses: self.clone() })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut open = self.addresses.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// What counts as one client: an IPv4 address, or the network that an IPv6 address is in.
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() >> INTERFACE_BITS << INTERFACE_BITS;
            Ipv6Addr::from_bits(network).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_its_share_and_gets_it_back() {
        let addresses = Addresses::new(2);
        let first = addresses.enter(ip("192.0.2.1")).unwrap();
        let second = addresses.enter(ip("192.0.2.1")).unwrap();
        assert!(addresses.enter(ip("192.0.2.1")).is_none());
        let other = addresses.enter(ip("192.0.2.2"));
        assert!(other.is_some(), "others are not concerned");
        drop(first);
        assert!(addresses.enter(ip("192.0.2.1")).is_some());
        drop((second, other));
        assert!(addresses.open.lock().unwrap().is_empty(), "nothing is kept of who is gone");
    }

    #[test]
    fn nobody_enters_where_nobody_may() {
        let addresses = Addresses::new(0);
        assert!(addresses.enter(ip("192.0.2.1")).is_none());
        assert!(addresses.open.lock().unwrap().is_empty());
    }

    #[test]
    fn a_client_is_an_ipv4_address_or_an_ipv6_network() {
        let same = |a: &str, b: &str| client(ip(a)) == client(ip(b));
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::7"));
        assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(same("::ffff:192.0.2.1", "192.0.2.1"));
        assert!(!same("::ffff:192.0.2.1", "::ffff:192.0.2.2"));
    }
}
