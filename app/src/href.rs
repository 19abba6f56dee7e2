//! The addresses of the panel's pages. They are coded here and not by the router, which decodes parameters once more
//! than was encoded: a run called `a%41` would lead to another run.

use domain::address::{decode, encode_path};

/// The page of a run.
pub fn run_page(run_path: &str) -> String {
    format!("/runs/{}", encode_path(run_path))
}

/// The run a page's path names; `None` when it is no run page.
pub fn run_of_page(pathname: &str) -> Option<String> {
    pathname.strip_prefix("/runs/").map(decode)
}

/// The certificate of a run.
pub fn certificate_page(run_path: &str) -> String {
    format!("/certificate/{}", encode_path(run_path))
}

/// The run a certificate's path names; `None` when it is no certificate.
pub fn run_of_certificate(pathname: &str) -> Option<String> {
    pathname.strip_prefix("/certificate/").map(decode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_run_path_survives_its_address(path in ".{0,60}") {
            prop_assert_eq!(run_of_page(&run_page(&path)), Some(path));
        }
    }
}
