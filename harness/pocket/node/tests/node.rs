fn main() {
    meshproof_pocket_node::entry();
}
