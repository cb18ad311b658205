package interop;
import java.util.List;
final class Mixed { static final List<Scenario> ALL = List.of(); }
