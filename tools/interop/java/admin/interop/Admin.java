package interop;

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import org.apache.rocketmq.tools.command.MQAdminStartup;

/**
 * Runs {@code mqadmin} commands one after another in one JVM: a command per line in, separated by blanks; what it
 * printed out, in hexadecimal digits behind {@code @@}. Starting a JVM per command would take longer than the commands.
 */
public final class Admin {
    private Admin() {}

    public static void main(String[] args) throws Exception {
        PrintStream answers = System.out;
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        String line;
        while ((line = commands.readLine()) != null) {
            ByteArrayOutputStream printed = new ByteArrayOutputStream();
            PrintStream capture = new PrintStream(printed, true, StandardCharsets.UTF_8);
            System.setOut(capture);
            System.setErr(capture);
            System.clearProperty("rocketmq.namesrv.addr"); // one command's -n must not serve the next
            MQAdminStartup.main0(line.trim().split(" +"), null);
            answers.println("@@" + HexFormat.of().formatHex(printed.toByteArray()));
        }
        System.exit(0);
    }
}
