package interop;
import java.util.List;
final class Pushes { static final List<Scenario> ALL = List.of(); }
