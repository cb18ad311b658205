package interop;

import java.util.List;

/** Clients of 4.x do not pop. */
final class Pops {
    static final List<Scenario> ALL = List.of();

    private Pops() {}
}
