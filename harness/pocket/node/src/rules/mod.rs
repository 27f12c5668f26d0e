//! The nftables rulesets of routers and captured pods, as text for `nft -f`. Pure.

mod capture;
mod router;

pub use capture::CaptureRules;
pub use router::{LoadBalancerPort, Protocol, RouterRules, ServicePort};
