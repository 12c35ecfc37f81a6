// A subscriber with JeroMQ; see the README beside this folder.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.zip.Adler32;
import org.zeromq.SocketType;
import org.zeromq.ZContext;
import org.zeromq.ZMQ;

public class Subscriber {
    private static final int TURN_MS = 10;  // sockets belong to one thread: it looks at the commands

    private static String describe(byte[] frame) {
        Adler32 checksum = new Adler32();
        checksum.update(frame);
        StringBuilder head = new StringBuilder();
        for (int i = 0; i < Math.min(16, frame.length); i++) {
            head.append(String.format("%02x", frame[i]));
        }
        return String.format(" %d:%x:%s", frame.length, checksum.getValue(), head);
    }

    private static void readCommands(ConcurrentLinkedQueue<String> commands) {
        try (BufferedReader input = new BufferedReader(new InputStreamReader(System.in))) {
            for (String line = input.readLine(); line != null; line = input.readLine()) {
                commands.add(line);
            }
        } catch (java.io.IOException error) {
            System.out.println("error " + error.getMessage());
        }
        commands.add("end");
    }

    public static void main(String[] arguments) throws InterruptedException {
        ConcurrentLinkedQueue<String> commands = new ConcurrentLinkedQueue<>();
        Thread reader = new Thread(() -> readCommands(commands));
        reader.setDaemon(true);
        reader.start();
        try (ZContext context = new ZContext(); ZMQ.Socket subscriber = context.createSocket(SocketType.SUB)) {
            subscriber.setReceiveTimeOut(TURN_MS);
            subscriber.connect(arguments[0]);
            System.out.println("ready");
            boolean reading = true;
            while (true) {
                for (String line = commands.poll(); line != null; line = commands.poll()) {
                    String[] words = line.split(" ", 2);
                    String text = words.length > 1 ? words[1] : "";
                    switch (words[0]) {
                        case "subscribe": subscriber.subscribe(text.getBytes(ZMQ.CHARSET)); break;
                        case "cancel": subscriber.unsubscribe(text.getBytes(ZMQ.CHARSET)); break;
                        case "stop": reading = false; break;
                        case "go": reading = true; break;
                        default: return;
                    }
                }
                if (reading) {
                    read(subscriber);
                } else {
                    Thread.sleep(TURN_MS);
                }
            }
        }
    }

    private static void read(ZMQ.Socket subscriber) {
        byte[] frame = subscriber.recv();
        if (frame == null) {
            return;
        }
        StringBuilder line = new StringBuilder("message").append(describe(frame));
        while (subscriber.hasReceiveMore()) {
            line.append(describe(subscriber.recv()));
        }
        System.out.println(line);
    }
}
