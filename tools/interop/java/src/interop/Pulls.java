package interop;
import java.util.List;
final class Pulls { static final List<Scenario> ALL = List.of(); }
