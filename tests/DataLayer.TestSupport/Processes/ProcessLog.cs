using System.Text;

namespace DataLayer.TestSupport.Processes;

/// <summary>The lines of one program, or of several that follow each other; may be added to and read from any thread.</summary>
public sealed class ProcessLog
{
    private readonly StringBuilder _text = new();

    /// <summary>Adds a line.</summary>
    public void Add(string line)
    {
        lock (_text)
        {
            _text.AppendLine(line);
        }
    }

    /// <summary>All lines so far.</summary>
    public override string ToString()
    {
        lock (_text)
        {
            return _text.ToString();
        }
    }
}
