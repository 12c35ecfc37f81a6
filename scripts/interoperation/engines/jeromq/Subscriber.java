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

    private static final String MONITOR = "inproc://monitor";

    private static void secure(ZMQ.Socket subscriber, String word) {
        String[] parts = word.split("=", 2);
        byte[] value = parts[1].getBytes(ZMQ.CHARSET);
        switch (parts[0]) {
            case "plain_user": subscriber.setPlainUsername(parts[1]); break;
            case "plain_password": subscriber.setPlainPassword(parts[1]); break;
            case "curve_server": subscriber.setCurveServerKey(value); break;
            case "curve_public": subscriber.setCurvePublicKey(value); break;
            case "curve_secret": subscriber.setCurveSecretKey(value); break;
            case "heartbeats": subscriber.setHeartbeatIvl(Integer.parseInt(parts[1])); break;
            default: throw new IllegalArgumentException(word);
        }
    }

    private static void tell(ZMQ.Socket monitor) {
        for (ZMQ.Event event = ZMQ.Event.recv(monitor, ZMQ.DONTWAIT); event != null;
                event = ZMQ.Event.recv(monitor, ZMQ.DONTWAIT)) {
            switch (event.getEvent()) {
                case ZMQ.EVENT_CONNECTED: System.out.println("event connected"); break;
                case ZMQ.EVENT_DISCONNECTED: System.out.println("event disconnected"); break;
                case ZMQ.HANDSHAKE_SUCCEEDED: System.out.println("event handshake_succeeded"); break;
                case ZMQ.HANDSHAKE_FAILED_PROTOCOL: System.out.println("event handshake_failed_protocol"); break;
                case ZMQ.HANDSHAKE_FAILED_AUTH: System.out.println("event handshake_failed_auth"); break;
                case ZMQ.HANDSHAKE_FAILED_NO_DETAIL: System.out.println("event handshake_failed_no_detail"); break;
                default: break;
            }
        }
    }

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
            for (int i = 1; i < arguments.length; i++) {
                secure(subscriber, arguments[i]);
            }
            subscriber.monitor(MONITOR, ZMQ.EVENT_ALL);
            ZMQ.Socket monitor = context.createSocket(SocketType.PAIR);
            monitor.connect(MONITOR);
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
                tell(monitor);
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
