package interop;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.apache.rocketmq.filter.FilterFactory;
import org.apache.rocketmq.filter.expression.EvaluationContext;
import org.apache.rocketmq.filter.expression.Expression;

/** Says of each line (filter, then names and values, in hex) whether RocketMQ's evaluator lets the message pass. */
public final class Sql {
    private Sql() {}

    public static void main(String[] args) throws Exception {
        StringBuilder verdicts = new StringBuilder();
        for (String line : Files.readAllLines(Path.of(args[0]))) {
            String[] words = line.split(" ");
            Map<String, Object> properties = new HashMap<>();
            for (int i = 1; i + 1 < words.length; i += 2) {
                properties.put(text(words[i]), text(words[i + 1]));
            }
            verdicts.append(verdict(text(words[0]), properties));
        }
        System.out.println(verdicts);
        System.exit(0);
    }

    private static char verdict(String filter, Map<String, Object> properties) {
        Expression compiled;
        try {
            compiled = FilterFactory.INSTANCE.get("SQL92").compile(filter);
        } catch (Throwable e) {
            return 'E';
        }
        try {
            Object result = compiled.evaluate(new EvaluationContext() {
                @Override
                public Object get(String name) {
                    return properties.get(name);
                }

                @Override
                public Map<String, Object> keyValues() {
                    return properties;
                }
            });
            return Boolean.TRUE.equals(result) ? '1' : '0';
        } catch (Throwable e) {
            return '0';
        }
    }

    private static String text(String hex) {
        if (hex.equals("-")) {
            return "";
        }
        byte[] bytes = new byte[hex.length() / 2];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) Integer.parseInt(hex.substring(2 * i, 2 * i + 2), 16);
        }
        return new String(bytes, StandardCharsets.UTF_8);
    }
}
