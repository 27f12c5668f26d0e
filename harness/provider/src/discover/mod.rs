//! What is there: the objects that tell, as the API gives them ([`look`], the only I/O here), and what they say.

mod facts;
mod gateways;
mod istio;
mod labels;
mod look;
mod mesh;

pub use self::facts::facts;
pub use self::gateways::{Gateway, GatewayKind, GatewayService};
pub use self::istio::{ControlPlane, Injector, chosen_injector};
pub use self::look::{Look, Seen, Unseen, look};
pub use self::mesh::Mesh;
