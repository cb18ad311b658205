package interop;

import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/** The line protocol with the harness: results go out, requests to stop or start a server are answered. */
final class Harness {
    private final PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
    private final BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));

    synchronized void say(String line) {
        out.println("@@ " + line.replace('\n', ' ').replace('\r', ' '));
    }

    /** Asks for {@code stop|kill|start SERVER}; returns once it is done (started means: registered). */
    synchronized void ask(String command) throws Exception {
        say("DO " + command);
        String answer = in.readLine();
        if (!"OK".equals(answer)) {
            throw new IllegalStateException("harness, on '" + command + "': " + answer);
        }
    }
}
