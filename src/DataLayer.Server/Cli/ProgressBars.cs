using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>Shows a long operation's progress on the terminal, on standard error; elsewhere it stays silent.</summary>
internal static class ProgressBars
{
    /// <summary>Runs an operation under a bar.</summary>
    /// <param name="run">The command's run.</param>
    /// <param name="title">What is under way.</param>
    /// <param name="operation">The work; told where to report.</param>
    /// <param name="describe">Text beside the bar, and the part done from 0 to 1, or null where the whole is not
    /// known.</param>
    public static async Task<TResult> RunAsync<TProgress, TResult>(
        CommandRun run, string title, Func<IProgress<TProgress>?, Task<TResult>> operation,
        Func<TProgress, (string Text, double? Part)> describe)
    {
        if (!run.Environment.ErrorIsTerminal || run.Json)
        {
            return await operation(null);
        }

        return await run
            .Environment.CreateError()
            .Progress()
            .AutoClear(true)
            .Columns(
                new SpinnerColumn(), new TaskDescriptionColumn(), new ProgressBarColumn(), new ElapsedTimeColumn())
            .StartAsync(async bars =>
            {
                ProgressTask bar = bars.AddTask(Markup.Escape(title), maxValue: 1);
                bar.IsIndeterminate = true;
                Reporter<TProgress> reporter = new(progress =>
                {
                    (string text, double? part) = describe(progress);
                    bar.Description = Markup.Escape($"{title}: {text}");
                    bar.IsIndeterminate = part is null;
                    bar.Value = part ?? 0;
                });
                return await operation(reporter);
            });
    }

    private sealed class Reporter<T>(Action<T> report) : IProgress<T>
    {
        public void Report(T value) => report(value);
    }
}
