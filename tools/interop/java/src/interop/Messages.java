package interop;
import java.util.List;
final class Messages { static final List<Scenario> ALL = List.of(); }
