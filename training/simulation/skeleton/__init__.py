"""A second anatomy: mice whose bones are the meshes of an articulated skeleton from outside this repository."""
