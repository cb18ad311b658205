package interop;

import java.util.List;

/** Clients of 4.x know no other kinds of messages. */
final class Kinds {
    static final List<Scenario> ALL = List.of();

    private Kinds() {}
}
