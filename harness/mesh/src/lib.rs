//! meshproof-mesh.
