//! Disks that say no, and files that are not what was written.
